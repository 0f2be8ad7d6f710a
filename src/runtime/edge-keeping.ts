/**
 * Runs the edge keeper in the core: takes what workers report, asks them once a minute who is connected, and writes what the keeper
 * decides. Effects only; the decisions are `EdgeKeeper`'s.
 *
 * One round at a time. A round whose events could not be appended is not repeated: the next one finds the same again.
 */
import type { EdgeKeeper, EdgeRef, HolderRow, ReportedUse, UseRate } from '../dependency-graph/index.ts';
import { type Ingest, type LearnedEdges, OWN_SOURCE } from '../ingest/index.ts';
import { TendrilError } from '../model/index.ts';
import type { KeeperChoice } from './replicas/index.ts';

const ROUND_MS = 60_000;

/** Names are at most 127 and 133 bytes long: less than 256 KiB in all. */
const RENEWALS_PER_EVENT = 900;

/** Rounds further apart than this: the process stood still, and nodes may have been away. */
const MAX_PAUSE_MS = 10 * ROUND_MS;
/** A clock that moves by more than this in a round, ms, was set, or runs at another speed; one that is steered moves by some 30 ms. */
const MAX_CLOCK_STEP_MS = 5_000;

export interface EdgeKeepingOptions {
  readonly keeper: EdgeKeeper;
  readonly ingest: Pick<Ingest, 'submit'>;
  readonly learned: Pick<LearnedEdges, 'report'>;
  /** Rows of all workers; `complete`: all that there should be have answered. */
  readonly askHolders: () => Promise<{ readonly rows: readonly HolderRow[]; readonly complete: boolean }>;
  /** Of several replicas: whether this one keeps the edges. Absent: it is the only one. */
  readonly choice?: () => KeeperChoice;
  /** Term of the edge keeper, as folded. */
  readonly epoch: () => number;
  /** This replica and process. */
  readonly holder: string;
  /** Wall clock, ms. */
  readonly now: () => number;
  /** ms, never set and never going back. */
  readonly monotonic: () => number;
  /** Rounds further apart than this prove nothing. Default: ten minutes. */
  readonly maxPauseMs?: number;
  /** Told of every round. */
  readonly onRound?: (now: number) => void;
  readonly logger: Record<'info' | 'warn', (fields: object, message: string) => void>;
}

const fenced = (term: number): TendrilError =>
  new TendrilError('KEEPER_FENCED', `another keeper has the term of the edge keeper (${term})`, {
    remedy: 'nothing to do: the other keeper goes on; if there is none, the next round tries again',
  });

export class EdgeKeeping {
  readonly #options: EdgeKeepingOptions;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #electing: Promise<number> | undefined;
  /** 0: none yet. */
  #term = 0;
  #clockOffset: number;
  #lastRound: number;

  constructor(options: EdgeKeepingOptions) {
    this.#options = options;
    this.#clockOffset = options.now() - options.monotonic();
    this.#lastRound = options.monotonic();
    this.#timer = setInterval(() => void this.round(), ROUND_MS);
    this.#timer.unref();
  }

  get counters(): EdgeKeeper['counters'] & { readonly uses: number; readonly term: number } {
    return { ...this.#options.keeper.counters, uses: this.#options.keeper.size, term: this.#term };
  }

  /** Undefined: not used lately. */
  rate(from: string, to: string): UseRate | undefined {
    return this.#options.keeper.rate(from, to, this.#options.now());
  }

  /** Takes a worker's report. */
  used(uses: Iterable<ReportedUse>): void {
    const { keeper, learned, now } = this.#options;
    const at = now();
    const fresh: ReportedUse[] = [];
    for (const use of uses) if (keeper.used(use, at)) fresh.push(use);
    learned.report(fresh.map(({ from, to, node }) => ({ from, to, node, evidence: 'observed' as const })));
  }

  /** Takes what sidecars asked for. */
  asked(edges: Iterable<EdgeRef>): void {
    const at = this.#options.now();
    for (const { from, to } of edges) this.#options.keeper.asked(from, to, at);
  }

  /** Begins the next term now, before the next round; of several replicas the one that is to keep the edges. Never throws. */
  async begin(): Promise<void> {
    await this.#running;
    await this.#elected().catch((error: unknown) => this.#warn(error));
  }

  /** One round; at most one at a time. Never throws. */
  round(): Promise<void> {
    this.#running ??= this.#round()
      .catch((error: unknown) => this.#warn(error))
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #round(): Promise<void> {
    const { keeper, learned, now, onRound } = this.#options;
    await this.#look();
    onRound?.(now());
    const { observe, renew, expire } = keeper.round(now());
    learned.report(observe.map((sighting) => ({ ...sighting, evidence: 'observed' as const })));
    await this.#renew(renew);
    if (expire.length === 0) return;
    const term = await this.#elected();
    await this.#submit(
      expire.map(({ from, to, seen }) => ({
        type: 'dependency.expired',
        data: { from, to, seen, epoch: term },
        reason: 'not used for longer than its TTL, as all who hold it report',
      })),
    );
    this.#options.logger.info({ edges: expire.length, term }, 'edges expired: not used for longer than their TTL');
  }

  /** The term of this keeper, begun when there is none: what the lease keeper writes is fenced by it too. Rejects with `KEEPER_FENCED`. */
  term(): Promise<number> {
    return this.#elected();
  }

  async #look(): Promise<void> {
    const { keeper, askHolders, choice, now } = this.#options;
    const clockHolds = this.#clockHolds();
    const chosen = choice?.();
    if (chosen === 'theirs') {
      keeper.standBy(now());
      return;
    }
    // The others answer the keeper of the newest term only.
    if (chosen === 'begin') await this.#elected();
    const { rows, complete } = await askHolders();
    // Silence is measured on a clock that somebody may set, or that stood still with the machine.
    keeper.holders(rows, complete && clockHolds, now());
  }

  /** False when the wall clock has moved otherwise than time since the last round, or nobody has looked for long. */
  #clockHolds(): boolean {
    const { now, monotonic } = this.#options;
    const since = monotonic() - this.#lastRound;
    this.#lastRound = monotonic();
    if (since > (this.#options.maxPauseMs ?? MAX_PAUSE_MS)) return false;
    const offset = now() - monotonic();
    const moved = Math.abs(offset - this.#clockOffset);
    this.#clockOffset = offset;
    if (moved <= MAX_CLOCK_STEP_MS) return true;
    this.#options.logger.warn({ movedMs: Math.round(moved) }, 'the clock was set: silence of edges counts from now on');
    return false;
  }

  /** The term of this keeper; writes that it begins when there is none, or another keeper has begun one since. */
  #elected(): Promise<number> {
    this.#electing ??= this.#elect().finally(() => {
      this.#electing = undefined;
    });
    return this.#electing;
  }

  async #elect(): Promise<number> {
    const { epoch, holder, choice } = this.#options;
    if (this.#term !== 0 && epoch() === this.#term) return this.#term;
    if (choice?.() === 'theirs') throw fenced(epoch());
    const term = epoch() + 1;
    const { events } = await this.#submit([{ type: 'keeper.elected', data: { keeper: 'edges', epoch: term, holder } }]);
    if (events[0]?.status !== 'applied') throw fenced(term);
    this.#term = term;
    return term;
  }

  /** One event as a rule; several where one would be larger than an event may be. */
  async #renew(edges: readonly EdgeRef[]): Promise<void> {
    for (let from = 0; from < edges.length; from += RENEWALS_PER_EVENT)
      await this.#submit([
        { type: 'dependency.renewed', data: { edges: edges.slice(from, from + RENEWALS_PER_EVENT) } },
      ]);
  }

  #submit(events: readonly object[]): ReturnType<Ingest['submit']> {
    return this.#options.ingest.submit({ events, caller: OWN_SOURCE, atomic: false, internal: true });
  }

  #warn(error: unknown): void {
    const code = error instanceof TendrilError ? error.code : 'INTERNAL';
    this.#options.logger.warn({ code, err: error }, 'a round of the edge keeper failed; the next one tries again');
  }

  /** No further rounds. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Writes the uses that the log does not have, and ends. */
  async close(): Promise<void> {
    this.stop();
    await this.#running;
    const { keeper, now } = this.#options;
    await this.#renew(keeper.flush(now())).catch((error: unknown) => this.#warn(error));
    this.#options.onRound?.(now());
  }
}
