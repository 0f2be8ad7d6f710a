/**
 * This replica among the others of its log: says where it is reached, looks every few seconds how the others are, compares states, and
 * knows which of them keeps the edges. Effects only; the decisions are those of compare.ts and keeper-choice.ts.
 */
import { type Ingest, OWN_SOURCE } from '../../ingest/index.ts';
import type { ReplicaView } from '../../projector/index.ts';
import { compareReplicas, type Statement, type Verdict } from './compare.ts';
import { chooseKeeper, type KeeperChoice, replicaOf } from './keeper-choice.ts';
import { PeerClient, type ReplicaAnswer, type ReplicaQuestion, type ReplicaStatement } from './peer-client.ts';

const ROUND_MS = 2_000;
/** A keeper that is not heard for so long is followed by another. */
const LOST_MS = 30_000;
/** Terms in a row of keepers that were never heard double the wait, up to 2^7: two that hear each other only by the log do not flood it. */
const MAX_DOUBLINGS = 7;
const RETRY_MS = 10_000;
/** After a refusal of `replica.joined`. */
const REFUSED_MS = 300_000;
/** A replica that is not heard for so long is taken out of the list: it said nothing of its sidecars meanwhile, so nothing expired. */
const GONE_MS = 24 * 3_600_000;

export interface ReplicaGroupOptions {
  /** Id of this replica. */
  readonly self: string;
  /** Name of this process as a keeper: `<self>/<unique>`. */
  readonly holderName: string;
  readonly mesh: string;
  readonly state: {
    /** As folded. */
    replicas(): readonly ReplicaView[];
    keeperHolder(keeper: string): string | undefined;
    keeperEpoch(keeper: string): number;
  };
  readonly statement: () => ReplicaStatement;
  readonly ingest: Pick<Ingest, 'submit'>;
  /** ms, never going back. */
  readonly monotonic: () => number;
  /** This replica differs from the others: it is to serve no longer. */
  readonly onOdd: (why: string) => void;
  /** This process is to begin the next term as the keeper of edges; must not throw. */
  readonly onBegin: () => Promise<void>;
  readonly logger: Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>;
  /** This replica serves nobody any more: it keeps nothing, and joins no more. */
  readonly isOut: () => boolean;
  readonly peer?: (admin: string) => Pick<PeerClient, 'statement' | 'ask'>;
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

interface Peer {
  readonly admin: string;
  readonly client: Pick<PeerClient, 'statement' | 'ask'>;
  /** When it was last heard, or first known. */
  heardAt: number;
  statement: ReplicaStatement | undefined;
  error: string | undefined;
}

export class ReplicaGroup {
  readonly #options: ReplicaGroupOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #admin: string | undefined;
  #verdict: Verdict = { verdict: 'alone' };
  #stopped = false;
  readonly #stop = new AbortController();
  /** The newest term that was seen, when it was first seen, and how many in a row were of keepers that nobody heard. */
  #term = { epoch: 0, at: 0, unheard: 0 };
  #hasJoined = false;
  /** No `replica.joined` before. */
  #joinAfter = 0;
  readonly counters = { rounds: 0, unanswered: 0, differences: 0 };

  constructor(options: ReplicaGroupOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.round(), options.roundMs ?? ROUND_MS);
    this.#timer.unref();
  }

  get verdict(): Verdict {
    return this.#verdict;
  }

  /** @param admin where the HTTP API of this replica is reached */
  start(admin: string): void {
    this.#admin = admin;
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
    this.#noteTerm(state.keeperEpoch('edges'), keeper, now);
    const members = state.replicas().map(({ id }) => {
      const peer = this.#peers.get(id);
      if (id === self) return { id, silentMs: 0 };
      const { state: said } = peer?.statement ?? { state: 'serving' };
      // It answers, but cannot write, or is believed by nobody.
      if (said === 'out' || said === 'failed') return { id, silentMs: Number.POSITIVE_INFINITY };
      const silentMs = now - (peer?.heardAt ?? now);
      // Its word in the log is a sign of life too.
      const sinceTerm = (now - this.#term.at) / 2 ** Math.min(this.#term.unheard, MAX_DOUBLINGS);
      return { id, silentMs: id === keeper ? Math.min(silentMs, sinceTerm) : silentMs };
    });
    return chooseKeeper({ self, holderName, holder, members, lostMs });
  }

  #noteTerm(epoch: number, keeper: string | undefined, now: number): void {
    const before = this.#term;
    const peer = keeper === undefined ? undefined : this.#peers.get(keeper);
    const isUnheard = peer !== undefined && peer.statement === undefined;
    if (epoch !== before.epoch)
      this.#term = { epoch, at: now, unheard: isUnheard ? before.unheard + 1 : before.unheard };
    else if (peer !== undefined && peer.error === undefined && peer.statement !== undefined)
      this.#term = { ...before, unheard: 0 };
  }

  /** Asks the workers of all other replicas. */
  async ask(question: ReplicaQuestion): Promise<ReplicaAnswer> {
    const { state } = this.#options;
    this.#meet();
    const term = state.keeperEpoch('edges');
    const parts = await Promise.all(
      [...this.#peers.values()].map(({ client }) =>
        client.ask(term, question).catch((): ReplicaAnswer => ({ answers: [], complete: false })),
      ),
    );
    return { answers: parts.flatMap(({ answers }) => answers), complete: parts.every(({ complete }) => complete) };
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
  async remove(id: string, source: string, reason: string): Promise<boolean> {
    const known = this.#options.state.replicas().find((replica) => replica.id === id);
    if (known === undefined) return false;
    const left = { type: 'replica.left', data: { replica: id }, expect: known.offset, reason };
    return (await this.#submit(left, source)) === 'applied';
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
    const { self, logger } = this.#options;
    if (this.#admin === undefined) return;
    await this.remove(self, OWN_SOURCE, 'orderly end').catch((error: unknown) =>
      logger.warn({ err: error }, 'this replica could not say that it leaves'),
    );
  }

  async #round(): Promise<void> {
    if (this.#stopped) return;
    this.counters.rounds++;
    this.#meet();
    await Promise.all([...this.#peers].map(([id, peer]) => this.#look(id, peer)));
    this.#compare();
    if (this.#stopped) return;
    await this.#announce();
    if (this.#options.isOut()) return;
    if (this.keeper() === 'begin') await this.#options.onBegin();
    await this.#forgetGone();
  }

  /** Peers as folded: new ones are met, those that left are forgotten. */
  #meet(): void {
    const { self, state, peer, monotonic } = this.#options;
    const listed = state.replicas().filter(({ id }) => id !== self);
    for (const { id, admin } of listed) {
      if (this.#peers.get(id)?.admin === admin) continue;
      const client = peer === undefined ? new PeerClient(admin, this.#stop.signal) : peer(admin);
      this.#peers.set(id, { admin, client, heardAt: monotonic(), statement: undefined, error: undefined });
    }
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of this.#peers.keys()) if (!ids.has(id)) this.#peers.delete(id);
  }

  async #look(id: string, peer: Peer): Promise<void> {
    const { mesh, monotonic, logger } = this.#options;
    try {
      const statement = await peer.client.statement();
      if (statement.id === this.#options.self)
        throw new Error('this replica itself answers there: give each one an --advertise that the others reach');
      if (statement.id !== id) throw new Error(`replica ${statement.id} answers there`);
      if (statement.mesh !== mesh) throw new Error(`it serves mesh ${statement.mesh}`);
      if (peer.error !== undefined) logger.info({ replica: id }, 'a replica is heard again');
      peer.statement = statement;
      peer.error = undefined;
      peer.heardAt = monotonic();
    } catch (error) {
      this.counters.unanswered++;
      const why = error instanceof Error ? error.message : String(error);
      if (peer.error === undefined) logger.warn({ replica: id, admin: peer.admin, why }, 'a replica does not answer');
      peer.error = why;
    }
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

  async #announce(): Promise<void> {
    const { self, state, monotonic, logger } = this.#options;
    const admin = this.#admin;
    const known = state.replicas().find(({ id }) => id === self);
    if (admin === undefined || known?.admin === admin || monotonic() < this.#joinAfter) return;
    // Somebody else uses this name: each would write its own address again and again.
    const isContested = known !== undefined && this.#hasJoined;
    if (isContested) {
      this.#joinAfter = monotonic() + REFUSED_MS;
      logger.error(
        { replica: self, admin: known.admin },
        'another process joined under the name of this replica: give it another with --replica',
      );
    }
    // A log that does not take it now is asked again, but not in every round.
    this.#joinAfter = Math.max(this.#joinAfter, monotonic() + RETRY_MS);
    const status = await this.#submit({ type: 'replica.joined', data: { replica: self, admin } }, OWN_SOURCE);
    this.#hasJoined = true;
    if (status === 'applied') {
      if (!isContested) this.#joinAfter = 0;
      return;
    }
    this.#joinAfter = monotonic() + REFUSED_MS;
    logger.error({ replica: self, status }, 'this replica could not join: too many are listed; see `tendril replicas`');
  }

  /** Only the keeper does: once is enough. */
  async #forgetGone(): Promise<void> {
    if (this.keeper() !== 'mine') return;
    const now = this.#options.monotonic();
    for (const [id, { heardAt }] of this.#peers)
      if (now - heardAt > GONE_MS) await this.remove(id, OWN_SOURCE, 'not heard for a day');
  }

  async #submit(event: object, caller: string): Promise<string | undefined> {
    const { events } = await this.#options.ingest.submit({ events: [event], caller, atomic: false, internal: true });
    return events[0]?.status;
  }
}
