/**
 * Leases of a core: takes signs of life, looks every second which leases ran out, asks the other replicas whether they heard of those,
 * and writes what the keeper decides. Effects only; the decisions are `LeaseKeeper`'s.
 *
 * Invariants:
 * L1 Only the replica that keeps the edges lets leases expire, fenced by its term.
 * L2 Nothing expires in a round in which a replica that may have taken signs of life did not answer.
 * L3 When such a replica leaves, or is no longer waited for, all leases begin anew: what it had heard is lost.
 * L4 A heartbeat that comes too late to be asked for is told so by its answer, at whichever replica: the holder registers again. So that
 *    no replica has ceased to doubt it (K6), nothing is written more than `ROUND_MAX_MS` after the first question of the round.
 */
import type { LeasesPort, LeaseView } from '../../admin/index.ts';
import { type Ingest, OWN_SOURCE } from '../../ingest/index.ts';
import { parseServiceName, TendrilError } from '../../model/index.ts';
import type { FoldState } from '../../projector/index.ts';
import type { KeeperChoice, LeaseAsked } from '../replicas/index.ts';
import { LeaseAlarm } from './lease-alarm.ts';
import { type Lease, LeaseKeeper, type Panic, portionOf } from './lease-keeper.ts';

const ROUND_MS = 1_000;
/** Of one question, and of one batch of events. */
const CHUNK = 500;
const MAX_OVERDUE = 10_000;
/** From the first question of a round to its last write, where others were asked, ms. */
const ROUND_MAX_MS = 5_000;

export interface LeaseElectorate {
  /** Replicas that may have taken signs of life, this one not among them. */
  voters(): readonly string[];
  /** For each of these voters: how long each lease was silent there, ms, or -1 where it does not know it; undefined: no answer, or none any more. */
  ask(leases: readonly LeaseAsked[], voters: readonly string[]): Promise<readonly (readonly number[] | undefined)[]>;
  readonly choice: () => KeeperChoice;
}

export interface LeasesOptions {
  readonly state: Pick<FoldState, 'leases' | 'leasesOf' | 'lease' | 'leaseCount' | 'endpointOf'>;
  readonly ingest: Pick<Ingest, 'submit'>;
  /** Absent: this is the only control plane of its log. */
  readonly others: LeaseElectorate | undefined;
  /** The term of this keeper; begins one where there is none. */
  readonly term: () => Promise<number>;
  /** Why this replica may take no sign of life. */
  readonly refuse: () => TendrilError | undefined;
  /** ms, never set and never going back. */
  readonly monotonic: () => number;
  readonly logger: Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;
  /** Asked about and decided on in one round, but whole services; the others have their turn in the next one. Default: 10,000. */
  readonly maxOverdue?: number;
}

export class Leases implements LeasesPort {
  readonly #options: LeasesOptions;
  readonly #keeper: LeaseKeeper;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isKeeper = false;
  #voters: readonly string[] = [];
  readonly #alarm: LeaseAlarm;
  /** The last service that had its turn, where not all have it in one round. */
  #after = '';
  /** Their expiry is being written. */
  readonly #ending = new Set<Lease>();
  /** Leases that can be asked about in time (L4). */
  #limit = Number.POSITIVE_INFINITY;
  /** When the first question of this round was asked; undefined: nobody was. */
  #askedAt: number | undefined;
  readonly counters = { heartbeats: 0, renewed: 0, taken: 0, expired: 0, incomplete: 0 };

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#keeper = new LeaseKeeper(options.monotonic());
    this.#alarm = new LeaseAlarm(options.logger);
  }

  /** Holders can reach this process from now on. */
  start(): void {
    this.#keeper.begin(this.#options.monotonic());
    this.#timer = setInterval(() => void this.round(), ROUND_MS);
    this.#timer.unref();
  }

  get held(): number {
    return this.#options.state.leaseCount;
  }

  /** Times a service came into panic. */
  get panicCount(): number {
    return this.#alarm.count;
  }

  /** Services of which more leases are silent than may expire. */
  get panics(): readonly Panic[] {
    return this.#alarm.panics;
  }

  lease(service: string, id: string, source: string): LeaseView | undefined {
    const lease = this.#options.state.lease(service, id, source);
    if (lease === undefined) return undefined;
    // No sign of life can save it now: its holder is to register again, by an event, which overtakes the expiry or follows it.
    const isEnding = this.#ending.has(lease) || this.#keeper.inDoubt(lease, this.#options.monotonic());
    return isEnding ? { ...lease, expired: true } : lease;
  }

  leasesOf(service: string): readonly LeaseView[] {
    return this.#options.state.leasesOf(service);
  }

  endpointOf(service: string, id: string, source: string): ReturnType<LeasesPort['endpointOf']> {
    return this.#options.state.endpointOf(service, id, source);
  }

  renew(lease: LeaseView, how: 'registered' | 'heartbeat'): void {
    const refused = this.#options.refuse();
    if (refused !== undefined) throw refused;
    this.counters[how === 'heartbeat' ? 'heartbeats' : 'renewed'] += 1;
    this.#keeper.renew(lease, this.#options.monotonic());
  }

  taken({ service, id, holder }: LeaseView): TendrilError {
    this.counters.taken += 1;
    return new TendrilError('LEASE_TAKEN', `the lease of endpoint "${id}" of ${service} is held by "${holder}" now`, {
      remedy: 'stop one of the two processes, or give each its own endpoint id',
    });
  }

  silentMs(lease: LeaseView): number | undefined {
    const { others, monotonic } = this.#options;
    return others === undefined || this.#isKeeper ? this.#keeper.silentMs(lease, monotonic()) : undefined;
  }

  /** Of the keeper on another replica: how long each lease was silent here; -1: not known. */
  answer(asked: readonly LeaseAsked[]): readonly number[] {
    const now = this.#options.monotonic();
    return asked.map(([service, id, source, offset]) => {
      const lease = this.#options.state.lease(service, id, source);
      if (lease === undefined) return -1;
      // Changed by an event that the keeper has not folded yet.
      return lease.offset > offset ? 0 : this.#keeper.tell(lease, now);
    });
  }

  /** One look; at most one at a time. Never throws. */
  round(): Promise<void> {
    this.#running ??= this.#round()
      .catch((error: unknown) => {
        const code = error instanceof TendrilError ? error.code : 'INTERNAL';
        this.#options.logger.warn({ code, err: error }, 'a round of the lease keeper failed; the next one tries again');
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  async #round(): Promise<void> {
    const { state, others, monotonic, maxOverdue = MAX_OVERDUE } = this.#options;
    this.#askedAt = undefined;
    // Notes since when this replica is alone, also while nobody asks it.
    this.#options.refuse();
    const before = this.#isKeeper;
    this.#isKeeper = others === undefined || others.choice() === 'mine';
    if (!this.#isKeeper) {
      this.#alarm.clear();
      // Counts the gaps between rounds all the same.
      this.#keeper.overdue([], monotonic());
      return;
    }
    const voters = others?.voters() ?? [];
    const lost = this.#voters.some((id) => !voters.includes(id));
    this.#voters = voters;
    // L3, and of the keeper before this one nothing is known.
    if (others !== undefined && (!before || lost)) this.#keeper.begin(monotonic());
    const all = this.#keeper.overdue(state.leases(), monotonic());
    const { taken: overdue, after } = portionOf(all, Math.min(maxOverdue, this.#limit), this.#after);
    const isComplete = await this.#askOthers(overdue, voters);
    // Of fewer there are answers in time; a service that is too large for that is not in the way of the others.
    const asked = Math.min(this.#limit, overdue.length);
    this.#limit = this.#isLate ? Math.max(1, asked >> 1) : Math.min(maxOverdue, 2 * this.#limit);
    if (isComplete || this.#isLate) this.#after = after;
    if (!isComplete) {
      this.counters.incomplete += 1;
      return;
    }
    const decision = this.#keeper.decide(overdue, (service) => state.leasesOf(service), monotonic());
    this.#alarm.round(decision.panics, all, overdue);
    const ended = await this.#write(decision.expire, 'no heartbeat for longer than its TTL');
    await this.#write(decision.forget, 'ran out long ago');
    if (this.#isLate) this.counters.incomplete += 1;
    if (ended === 0) return;
    this.counters.expired += ended;
    this.#options.logger.info({ leases: ended }, 'leases ran out: their holders were silent for longer than the TTL');
  }

  /** L4: it may write no more. */
  get #isLate(): boolean {
    return this.#askedAt !== undefined && this.#options.monotonic() - this.#askedAt > ROUND_MAX_MS;
  }

  /** False: not everybody answered in time (L2, L4). */
  async #askOthers(overdue: readonly Lease[], voters: readonly string[]): Promise<boolean> {
    const { others, monotonic } = this.#options;
    if (others === undefined || voters.length === 0) return true;
    const held = overdue.filter(({ expired }) => expired !== true);
    for (let from = 0; from < held.length && !this.#isLate; from += CHUNK) {
      const chunk = held.slice(from, from + CHUNK);
      const asked = chunk.map(({ service, id, source, offset }): LeaseAsked => [service, id, source, offset]);
      this.#askedAt ??= monotonic();
      const answers = await others.ask(asked, voters);
      const now = monotonic();
      for (const answer of answers)
        for (const [at, lease] of chunk.entries()) this.#heard(lease, answer?.[at] ?? -1, now);
      if (answers.length !== voters.length || answers.some((answer) => answer?.length !== chunk.length)) return false;
    }
    return !this.#isLate;
  }

  #heard(lease: Lease, silentMs: number, now: number): void {
    if (silentMs >= 0 && silentMs < lease.ttlMs) this.#keeper.renew(lease, now, silentMs);
  }

  /** How many were applied. A lease that was renewed meanwhile stays, and so do those for which there is no time left. */
  async #write(leases: readonly Lease[], reason: string): Promise<number> {
    if (leases.length === 0) return 0;
    const epoch = await this.#options.term();
    let applied = 0;
    for (let from = 0; from < leases.length && !this.#isLate; from += CHUNK) {
      const now = this.#options.monotonic();
      const chunk = leases
        .slice(from, from + CHUNK)
        .filter((lease) => lease.expired === true || this.#keeper.silentMs(lease, now) >= lease.ttlMs);
      if (chunk.length === 0) continue;
      const events = chunk.map((lease) => {
        const { namespace = '', name = '' } = parseServiceName(lease.service) ?? {};
        const data = { namespace, service: name, id: lease.id, seen: lease.offset, epoch };
        return { type: 'endpoint.expired', source: lease.source, reason, data };
      });
      for (const lease of chunk) this.#ending.add(lease);
      const answer = await this.#options.ingest
        .submit({ events, caller: OWN_SOURCE, atomic: false, internal: true })
        .finally(() => this.#ending.clear());
      applied += answer.events.filter(({ status }) => status === 'applied').length;
    }
    return applied;
  }

  /** No further rounds. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
