/**
 * The core's side of the workers: who is there, which epoch each has applied, and questions to all of them.
 *
 * Invariants:
 * 1. A barrier for epoch E resolves when every live worker has confirmed an epoch >= E of this state; one that should be there
 *    and is not is waited for during `RETURN_MS`.
 * 2. A worker from which nothing was heard for `SILENT_MS` leaves all barriers until it is heard again; after `DEAD_MS` it is reported,
 *    once, and the supervisor restarts it. Between the two it may just be starved: to cut its sidecars off would add to the load. A
 *    slow one only delays barriers; time in which the core itself stood still does not count.
 * 3. At most one notice waits for a worker that does not read, whatever happens meanwhile; it hears of the newest epoch when it does.
 * 4. A question is answered by whoever is there within `ASK_MS`; a worker that is not does not block it, and the answer says that it is
 *    not complete.
 */
import type { Channel } from './channel.ts';
import type { HostPort } from './config.ts';
import type { ToCore, ToWorker, UseReport, WorkerQuestion } from './messages.ts';

const SILENT_MS = 2_000;
const DEAD_MS = 10_000;
/** How long a barrier waits for a worker that is missing: it dials the core every 100 ms. */
const RETURN_MS = 2_000;
/** Ticks further apart than this: the core itself stood still, and messages wait unread. */
const STALL_MS = 1_000;
const ASK_MS = 2_000;

interface Peer {
  readonly channel: Channel<ToWorker, ToCore>;
  readonly pid: number;
  readonly worker: number;
  readonly xds: HostPort;
  applied: number;
  /** When the last message came, on the options' clock. */
  heardAt: number;
  /** Left the barrier (invariant 2). */
  silent: boolean;
  /** Reported. */
  dead: boolean;
  /** Has not been told of the newest epoch (invariant 3). */
  owed: boolean;
  /** Nodes with a stream there. */
  nodes: number;
}

export interface WorkerRegistryOptions {
  /** Monotonic, ms. */
  readonly clock: () => number;
  /** Workers there should be. */
  readonly expected: number;
  /** Newest committed epoch. */
  readonly epoch: () => number;
  readonly onLedger: (report: Extract<ToCore, { t: 'ledger' }>['report']) => void;
  /** Resolves with true when all edges reported so far are in the log. */
  readonly onObserved: (edges: Extract<ToCore, { t: 'observed' }>['edges']) => Promise<boolean>;
  /** True when the uses are taken: the worker may forget them. */
  readonly onUse: (report: UseReport) => Promise<boolean> | boolean;
  readonly onDead: (pid: number) => void;
}

export class WorkerRegistry {
  readonly #options: WorkerRegistryOptions;
  readonly #peers = new Set<Peer>();
  readonly #answers = new Map<number, (body: unknown) => void>();
  #waiters: { readonly epoch: number; readonly done: () => void }[] = [];
  #question = 0;
  /** By number of the worker: how many nodes had connected to that process, as it said last. One entry for each worker. */
  readonly #joined = new Map<number, { readonly pid: number; readonly joined: number }>();
  /** Told how many nodes connected since the core started. */
  onJoined: ((nodes: number) => void) | undefined;
  /** Notices sent, and those not sent because an earlier one was still waiting. */
  readonly counters = { notices: 0, noticesHeld: 0, silent: 0 };
  #lastTick: number;
  /** When a worker was last missing from the start or left. */
  #lastLoss: number;

  constructor(options: WorkerRegistryOptions) {
    this.#options = options;
    this.#lastTick = options.clock();
    this.#lastLoss = options.clock();
  }

  /** Workers that serve streams now. */
  get live(): readonly {
    readonly pid: number;
    readonly worker: number;
    readonly xds: HostPort;
    readonly applied: number;
  }[] {
    return [...this.#peers].filter((peer) => !peer.silent);
  }

  /** Takes a new connection; it counts once it has said hello. */
  accept(channel: Channel<ToWorker, ToCore>): void {
    let peer: Peer | undefined;
    channel.onMessage = (message) => {
      if (peer !== undefined) {
        peer.heardAt = this.#options.clock();
        peer.silent = false;
      }
      switch (message.t) {
        case 'hello':
          peer = {
            channel,
            pid: message.pid,
            worker: message.worker,
            xds: message.xds,
            applied: 0,
            heardAt: this.#options.clock(),
            silent: false,
            dead: false,
            owed: false,
            nodes: 0,
          };
          this.#peers.add(peer);
          this.#tell(peer, this.#options.epoch());
          return;
        case 'applied':
          // A higher epoch than ours is of a state that was made anew since: it says nothing about this one.
          if (peer !== undefined) peer.applied = message.epoch > this.#options.epoch() ? 0 : message.epoch;
          this.#settle();
          return;
        case 'alive':
          if (peer !== undefined) this.#count(peer, message.nodes ?? 0, message.joined ?? 0);
          return;
        case 'answer':
          this.#answers.get(message.id)?.(message.body);
          return;
        case 'observed': {
          const { upTo } = message;
          void this.#options.onObserved(message.edges).then((inLog) => {
            if (inLog) channel.send({ t: 'took', upTo });
          });
          return;
        }
        case 'use':
          void this.#takeUse(channel, message);
          return;
        case 'long':
          for (const other of this.#peers)
            if (other !== peer && other.channel.waiting === 0 && peer !== undefined)
              other.channel.send({ t: 'long', worker: peer.worker, statement: message.statement });
          return;
        case 'ledger':
          this.#options.onLedger(message.report);
      }
    };
    channel.onDrain = () => {
      if (peer?.owed === true) this.#tell(peer, this.#options.epoch());
    };
    channel.onClose = () => {
      if (peer === undefined) return;
      this.#peers.delete(peer);
      this.#lastLoss = this.#options.clock();
      this.#settle();
    };
  }

  async #takeUse(channel: Channel<ToWorker, ToCore>, use: Extract<ToCore, { t: 'use' }>): Promise<void> {
    if (await this.#options.onUse(use.report)) channel.send({ t: 'used', upTo: use.upTo });
  }

  /** Nodes with a stream, all workers together. */
  get sidecars(): number {
    let sum = 0;
    for (const { nodes } of this.#peers) sum += nodes;
    return sum;
  }

  #count(peer: Peer, nodes: number, joined: number): void {
    peer.nodes = nodes;
    const known = this.#joined.get(peer.worker);
    // One that is heard for the first time may be older than this core; the process that took its place is not, and starts at 0.
    const before = known === undefined ? joined : known.pid === peer.pid ? known.joined : 0;
    this.#joined.set(peer.worker, { pid: peer.pid, joined });
    const fresh = joined - before;
    if (fresh > 0) this.onJoined?.(fresh);
  }

  #tell(peer: Peer, epoch: number): void {
    if (peer.applied >= epoch) return;
    peer.owed = peer.channel.waiting > 0;
    if (peer.owed) this.counters.noticesHeld++;
    else {
      this.counters.notices++;
      peer.channel.send({ t: 'notice', epoch });
    }
  }

  notice(epoch: number): void {
    for (const peer of this.#peers) this.#tell(peer, epoch);
    this.#settle();
  }

  /** Called every few hundred ms: finds the silent ones. */
  tick(): void {
    const now = this.#options.clock();
    const stalled = now - this.#lastTick > STALL_MS;
    this.#lastTick = now;
    for (const peer of this.#peers) {
      if (stalled) peer.heardAt = now;
      const silentMs = now - peer.heardAt;
      if (!peer.silent && silentMs > SILENT_MS) {
        peer.silent = true;
        this.counters.silent++;
      }
      if (!peer.dead && silentMs > DEAD_MS) {
        peer.dead = true;
        this.#options.onDead(peer.pid);
      }
    }
    this.#settle();
  }

  #settle(): void {
    if (this.#waiters.length === 0) return;
    const { live } = this;
    const missing = live.length < this.#options.expected && this.#options.clock() - this.#lastLoss < RETURN_MS;
    if (missing) return;
    const lowest = Math.min(...live.map((peer) => peer.applied));
    const ready = this.#waiters.filter(({ epoch }) => epoch <= lowest);
    if (ready.length === 0) return;
    this.#waiters = this.#waiters.filter(({ epoch }) => epoch > lowest);
    for (const { done } of ready) done();
  }

  /** True when every live worker has applied `epoch` (with none alive: at once); false after `timeoutMs`. */
  applied(epoch: number, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const waiter = { epoch, done: () => finish(true) };
      const timer = setTimeout(() => finish(false), timeoutMs);
      const finish = (value: boolean): void => {
        clearTimeout(timer);
        this.#waiters = this.#waiters.filter((candidate) => candidate !== waiter);
        resolve(value);
      };
      this.#waiters.push(waiter);
      this.#settle();
    });
  }

  /** Answers of all live workers that came in time. */
  async ask<T>(question: WorkerQuestion): Promise<readonly T[]> {
    return (await this.askAll<T>(question)).answers;
  }

  /** The same; `complete`: every worker that should be there has answered. */
  async askAll<T>(question: WorkerQuestion): Promise<{ readonly answers: readonly T[]; readonly complete: boolean }> {
    const each = await Promise.all(
      [...this.#peers].map(
        (peer) =>
          new Promise<T | undefined>((resolve) => {
            const id = ++this.#question;
            const timer = setTimeout(() => finish(undefined), ASK_MS);
            const finish = (body: T | undefined): void => {
              clearTimeout(timer);
              this.#answers.delete(id);
              resolve(body);
            };
            this.#answers.set(id, (body) => finish(body as T));
            if (!peer.channel.send({ t: 'ask', id, question })) finish(undefined);
          }),
      ),
    );
    const answers = each.filter((answer) => answer !== undefined);
    return { answers, complete: answers.length >= Math.max(each.length, this.#options.expected) };
  }

  close(): void {
    for (const peer of this.#peers) peer.channel.close();
  }
}
