/**
 * This replica among the others of its log: says where it is reached, looks every few seconds how the others are, compares states, and
 * knows which of them keeps the edges. Effects only; the decisions are those of compare.ts and keeper-choice.ts.
 */
import { OWN_SOURCE } from '../../ingest/index.ts';
import { compareReplicas, type Statement, type Verdict } from './compare.ts';
import { chooseKeeper, type KeeperChoice, replicaOf } from './keeper-choice.ts';
import { Membership, type MembershipOptions } from './membership.ts';
import type { LeaseAsked, ReplicaAnswer, ReplicaQuestion, ReplicaStatement } from './peer-client.ts';
import { type Peer, Peers } from './peers.ts';
import { Terms } from './terms.ts';

const ROUND_MS = 2_000;
/** A keeper that is not heard for so long is followed by another. */
const LOST_MS = 30_000;
/** A replica that is not heard for so long is taken out of the list: it said nothing of its sidecars meanwhile, so nothing expired. */
const GONE_MS = 24 * 3_600_000;

export interface ReplicaGroupOptions extends MembershipOptions {
  /** Name of this process as a keeper: `<self>/<unique>`. */
  readonly holderName: string;
  readonly mesh: string;
  readonly state: MembershipOptions['state'] & {
    keeperHolder(keeper: string): string | undefined;
    keeperEpoch(keeper: string): number;
  };
  readonly statement: () => ReplicaStatement;
  /** This replica differs from the others: it is to serve no longer. */
  readonly onOdd: (why: string) => void;
  /** This process is to begin the next term as the keeper of edges; must not throw. */
  readonly onBegin: () => Promise<void>;
  /** This replica serves nobody any more, or its log has ended: it keeps nothing. */
  readonly isOut: () => boolean;
  readonly peer?: (admin: string) => Peer['client'];
  readonly roundMs?: number;
  readonly lostMs?: number;
}

/** One replica, as this one sees it. */
export interface ReplicaRow {
  readonly id: string;
  readonly admin: string;
  readonly self: boolean;
  readonly keeper: boolean;
  readonly state: ReplicaStatement['state'] | 'silent' | 'unknown';
  readonly offset?: number;
  readonly sidecars?: number;
  readonly version?: string;
  readonly silentMs?: number;
}

export class ReplicaGroup {
  readonly #options: ReplicaGroupOptions;
  readonly #peers: Peers;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #verdict: Verdict = { verdict: 'alone' };
  #stopped = false;
  readonly #stop = new AbortController();
  readonly #terms = new Terms();
  readonly #membership: Membership;
  readonly counters = { rounds: 0, unanswered: 0, differences: 0 };

  constructor(options: ReplicaGroupOptions) {
    this.#options = options;
    this.#membership = new Membership(options);
    this.#peers = new Peers({ ...options, signal: this.#stop.signal });
    this.#timer = setInterval(() => void this.round(), options.roundMs ?? ROUND_MS);
    this.#timer.unref();
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  /** @param admin where the HTTP API of this replica is reached */
  start(admin: string): void {
    this.#membership.start(admin);
    void this.round();
  }

  rows(): readonly ReplicaRow[] {
    const { self, state, statement } = this.#options;
    const keeper = state.keeperHolder('edges')?.split('/')[0];
    const now = this.#options.monotonic();
    return state.replicas().map(({ id, admin }): ReplicaRow => {
      const common = { id, admin, self: id === self, keeper: id === keeper };
      const peer = this.#peers.get(id);
      const said = id === self ? statement() : peer?.statement;
      const silentMs = peer === undefined ? 0 : Math.round(now - peer.heardAt);
      const isSilent = id !== self && (peer?.error !== undefined || said === undefined);
      return {
        ...common,
        state: isSilent ? (said === undefined ? 'unknown' : 'silent') : (said?.state ?? 'unknown'),
        ...(said === undefined ? {} : { offset: said.offset, sidecars: said.sidecars, version: said.version }),
        ...(isSilent ? { silentMs } : {}),
      };
    });
  }

  /** Who keeps the edges, as of now. */
  keeper(): KeeperChoice {
    const { self, holderName, state, monotonic, lostMs = LOST_MS, isOut } = this.#options;
    if (isOut()) return 'theirs';
    const now = monotonic();
    const holder = state.keeperHolder('edges');
    const keeper = holder === undefined ? undefined : replicaOf(holder);
    const holding = keeper === undefined ? undefined : this.#peers.get(keeper);
    this.#terms.note(
      state.keeperEpoch('edges'),
      holding?.error === undefined ? holding?.statement !== undefined : undefined,
      now,
    );
    const members = state.replicas().map(({ id }) => {
      const peer = this.#peers.get(id);
      if (id === self) return { id, silentMs: 0 };
      const { state: said } = peer?.statement ?? { state: 'serving' };
      // It answers, but cannot write, or is believed by nobody.
      if (said === 'out' || said === 'failed') return { id, silentMs: Number.POSITIVE_INFINITY };
      const silentMs = now - (peer?.heardAt ?? now);
      // Its word in the log is a sign of life too.
      return { id, silentMs: id === keeper ? Math.min(silentMs, this.#terms.silentMs(now)) : silentMs };
    });
    return chooseKeeper({ self, holderName, holder, members, lostMs });
  }

  /** Asks the workers of all other replicas. */
  async ask(question: ReplicaQuestion): Promise<ReplicaAnswer> {
    const { state } = this.#options;
    this.#peers.meet();
    const term = state.keeperEpoch('edges');
    const parts = await Promise.all(
      [...this.#peers].map(([, { client }]) =>
        client.ask(term, question).catch((): ReplicaAnswer => ({ answers: [], complete: false })),
      ),
    );
    return { answers: parts.flatMap(({ answers }) => answers), complete: parts.every(({ complete }) => complete) };
  }

  /**
   * Replicas that may have taken signs of life of leases. One that is not heard counts for twice as long as it would wait for a keeper
   * that it does not hear: had it lived and reached the log, it would have begun a term, and this keeper would be fenced.
   */
  voters(): readonly string[] {
    const { monotonic, lostMs = LOST_MS } = this.#options;
    this.#peers.meet();
    const patience = 2 * lostMs * this.#terms.patience;
    return [...this.#peers].flatMap(([id, { statement, error, heardAt }]) => {
      if (statement?.state === 'out') return [];
      return error !== undefined && monotonic() - heardAt > patience ? [] : [id];
    });
  }

  /** Of each of these voters, how long leases were silent there, ms (-1: not known); undefined: it did not answer, or has left. */
  askLeases(
    leases: readonly LeaseAsked[],
    voters: readonly string[],
  ): Promise<readonly (readonly number[] | undefined)[]> {
    const term = this.#options.state.keeperEpoch('edges');
    return Promise.all(
      voters.map(async (id) => {
        const answer = await this.#peers
          .get(id)
          ?.client.ask(term, { what: 'leases', leases })
          .catch(() => undefined);
        return answer?.complete === true ? (answer.answers as readonly number[]) : undefined;
      }),
    );
  }

  /** Whether the keeper is this replica, or answered the last time it was asked. */
  get hearsKeeper(): boolean {
    const holder = this.#options.state.keeperHolder('edges');
    const keeper = holder === undefined ? undefined : replicaOf(holder);
    if (keeper === undefined) return false;
    return keeper === this.#options.self || this.#peers.get(keeper)?.error === undefined;
  }

  /** One look at everybody; at most one at a time. Never throws. */
  round(): Promise<void> {
    this.#running ??= this.#round()
      .catch((error: unknown) => this.#options.logger.warn({ err: error }, 'a look at the other replicas failed'))
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Takes a replica out of the list. Resolves with false when there is none of that name, or it has just joined again. */
  remove(id: string, source: string, reason: string): Promise<boolean> {
    return this.#membership.remove(id, source, reason);
  }

  /** Questions to others end, and none is asked any more. */
  endQuestions(): void {
    this.#stop.abort();
  }

  /** No further rounds; says that it leaves. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    this.endQuestions();
    await this.#running;
    await this.#membership.leave();
  }

  async #round(): Promise<void> {
    if (this.#stopped) return;
    this.counters.rounds++;
    this.#peers.meet();
    await this.#peers.look();
    this.counters.unanswered = this.#peers.unanswered;
    this.#compare();
    if (this.#stopped) return;
    await this.#membership.announce();
    if (this.#options.isOut()) return;
    if (this.keeper() === 'begin') await this.#options.onBegin();
    await this.#forgetGone();
  }

  #compare(): void {
    const { self, statement, logger, onOdd } = this.#options;
    const others = [...this.#peers].flatMap(([id, { statement: said, error }]): Statement[] =>
      said === undefined || error !== undefined ? [] : [{ id, proofs: said.proofs }],
    );
    const before = this.#verdict;
    const verdict = compareReplicas({ id: self, proofs: statement().proofs }, others);
    this.#verdict = verdict;
    if (verdict.verdict === 'alone' || verdict.verdict === 'agree' || verdict.verdict === before.verdict) return;
    this.counters.differences++;
    const { offset, what } = verdict;
    logger.error({ verdict }, `the ${what} differs between replicas at offset ${offset}`);
    if (verdict.verdict === 'odd')
      onOdd(`its ${what} at offset ${offset} differs from that of ${verdict.from.join(', ')}`);
  }

  /** Only the keeper does: once is enough. */
  async #forgetGone(): Promise<void> {
    if (this.keeper() !== 'mine') return;
    const now = this.#options.monotonic();
    for (const [id, { heardAt }] of this.#peers)
      if (now - heardAt > GONE_MS) await this.remove(id, OWN_SOURCE, 'not heard for a day');
  }
}
