/** The projector: state and read model of a mesh as a function of its log, and what others ask of it (run-loop.ts does the work). */
import type { DependencyGraph } from '../dependency-graph/index.ts';
import { chainStart } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import type { Environment } from '../store/index.ts';
import type { FoldState } from './fold/index.ts';
import type { Head } from './head.ts';
import { type Opened, openState, REBUILT_AFTER } from './opening.ts';
import { derivationOf } from './parts.ts';
import { PastReader } from './past/index.ts';
import { Progress } from './progress.ts';
import type { PreparedState, ProjectorCounters, ProjectorOptions } from './projector-options.ts';
import { Retention } from './retention/index.ts';
import { RunLoop } from './run-loop.ts';
import { checkpointPath, SnapshotExports } from './snapshot/index.ts';
import { StateHash } from './state-hash.ts';
import { StateQueries } from './state-queries.ts';
import { StateStore } from './state-store.ts';
import type { FoldOutcome, Lag, MeshTotals, Notice, ProjectorCondition, StateProof, StoredResource } from './types.ts';
import { Waiters } from './waiters.ts';

const MAX_LAG_EVENTS = 100_000;
const MAX_LAG_MS = 5_000;

/** Of a state without entities, and a log without records. */
const EMPTY_PROOF = { offset: 0, hash: new StateHash().hex(), chain: chainStart().toString('hex') };

export class Projector {
  /** The folded state: may be a commit ahead of what workers see. */
  readonly fold: FoldState;
  readonly graph: DependencyGraph;
  readonly queries: StateQueries;
  /** Earlier graphs and states. */
  readonly past: PastReader;
  readonly snapshots: SnapshotExports;
  /** Undefined: everything is kept. */
  readonly retention: Retention | undefined;
  readonly #options: ProjectorOptions;
  readonly #store: StateStore;
  readonly #opened: Opened;
  readonly #loop: RunLoop;
  readonly #waiters = new Waiters();
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #graphListeners = new Set<() => void>();
  readonly #resourceListeners = new Set<(changes: ReadonlyMap<string, StoredResource | undefined>) => void>();
  #notices = 0;
  #isClosed = false;

  private constructor(options: ProjectorOptions, store: StateStore, opened: Opened) {
    this.#options = options;
    this.#store = store;
    this.#opened = opened;
    this.fold = opened.run.fold;
    this.graph = opened.deriver.graph;
    this.queries = new StateQueries(store.tables);
    this.past = new PastReader({
      queries: this.queries,
      log: options.log,
      mesh: options.mesh,
      ...(options.fold?.suffixes === undefined ? {} : { suffixes: options.fold.suffixes }),
      refresh: () => store.environment.refresh(),
      outcomesOf: (offsets) => this.queries.outcomesOf(offsets),
      callersOf: (service) => this.graph.callersOf(service),
      atRest: (look) => this.atRest(look),
      waitFor: (offset) => this.waitFor(offset),
    });
    this.snapshots = new SnapshotExports({
      dir: options.dir,
      mesh: options.mesh,
      log: options.log,
      state: store.environment,
      createdBy: options.version ?? '',
      ...(options.guard === undefined ? {} : { guard: options.guard }),
    });
    this.#loop = new RunLoop({
      log: options.log,
      store,
      opened,
      logger: options.logger,
      onCommitted: (head) => this.#committed(head),
      onResources: (changes) => {
        for (const listener of this.#resourceListeners) listener(changes);
      },
      onGraphChanged: () => {
        for (const listener of this.#graphListeners) listener();
      },
      onFailed: (error) => this.#waiters.fail(error),
    });
    this.retention = this.#retention(options.retain);
  }

  #retention(retain: ProjectorOptions['retain']): Retention | undefined {
    if (retain === undefined) return undefined;
    const { log, dir, mesh, clock, guard, logger } = this.#options;
    const { prune, leastEvents, ...policy } = retain;
    return new Retention({
      dir,
      mesh,
      policy,
      log,
      prune,
      store: this.#store,
      snapshots: this.snapshots,
      clock,
      committed: () => (this.#loop.state === 'live' && !this.#isClosed ? this.#loop.head.offset : undefined),
      onCut: () => this.past.forget(),
      ...(guard === undefined ? {} : { guard }),
      ...(logger === undefined ? {} : { logger }),
      ...(leastEvents === undefined ? {} : { leastEvents }),
    });
  }

  /**
   * Opens the state's files ahead of `open`, which is given the result. After a kill the files of log and state are both read
   * through, which takes seconds: so both at once.
   */
  static prepare(options: Pick<ProjectorOptions, 'dir' | 'mesh' | 'logger' | 'guard' | 'mapSize'>): PreparedState {
    const { dir, mesh, logger, guard, mapSize } = options;
    const store = StateStore.open({
      dir,
      mesh,
      ...(logger === undefined ? {} : { logger }),
      ...(guard === undefined ? {} : { guard }),
      ...(mapSize === undefined ? {} : { mapSize }),
    });
    // Whoever waits for it sees the error.
    store.catch(() => undefined);
    const abandon = (): Promise<void> =>
      store.then(
        (opened) => opened.close(),
        () => undefined,
      );
    return { store, abandon };
  }

  /**
   * Loads or builds the state and resolves when it holds the log as it was at the call, or stands still for want of disk space
   * (`condition`). Then it follows.
   * @throws TendrilError as `openEnvironment`, and `STATE_AHEAD_OF_LOG`, `STATE_OF_ANOTHER_LOG`, `LOG_GAP`, `LOG_CORRUPT`.
   */
  static async open(options: ProjectorOptions): Promise<Projector> {
    const { prepared, ...rest } = options;
    try {
      return await Projector.#open(options);
    } catch (error) {
      // Damage found while it caught up: it has been noted, so the state is made anew now.
      if (!(error instanceof TendrilError && REBUILT_AFTER.has(error.code))) throw error;
      return Projector.#open(rest);
    }
  }

  static async #open(options: ProjectorOptions): Promise<Projector> {
    const target = options.log.head().offset;
    const store = await (options.prepared ?? Projector.prepare(options)).store;
    try {
      const derivation = derivationOf(options.version);
      const checkpoint = checkpointPath(options.dir);
      const opened = await openState(store, { ...options, derivation, checkpoint });
      const projector = new Projector(options, store, opened);
      await projector.#begin(target).catch(async (error: unknown) => {
        await projector.close();
        throw error;
      });
      return projector;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The files of the state. */
  get storage(): Environment {
    return this.#store.environment;
  }

  /** Events that have no effect because they could not be folded. */
  get quarantined(): number {
    return this.#store.tables.quarantine.count();
  }

  /** Notes that the next start makes the state anew from the log. @throws TendrilError as `Environment.commit`. */
  requestRebuild(why: string): Promise<void> {
    return this.#store.requestRebuild(why);
  }

  /** The newest commit that readers see. */
  get notice(): Notice {
    const { epoch, offset } = this.#loop.head;
    return { epoch, offset };
  }

  get counters(): ProjectorCounters {
    const { compiled, changed, removed, failures } = this.#opened.deriver.resources.counters;
    return {
      ...this.#loop.counters,
      notices: this.#notices,
      compiled,
      changed,
      removed,
      compileFailures: failures,
      waiters: this.#waiters.size,
    };
  }

  condition(): ProjectorCondition {
    const failedUnits = this.#opened.deriver.resources.failedUnits.size;
    const { failure } = this.#loop;
    const state = this.#isClosed ? 'closed' : this.#loop.state;
    return failure === undefined
      ? { state, failedUnits }
      : { state, code: failure.code, message: failure.message, failedUnits };
  }

  /** Calls the listener after each commit; the function returned ends that. */
  onNotice(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  lag(): Lag {
    const events = Math.max(0, this.#options.log.head().offset - this.#loop.through);
    const oldest = this.#loop.oldestPending;
    const ms = events === 0 || oldest === undefined ? 0 : Math.max(0, this.#options.clock.now() - oldest);
    return { events, ms, tooFar: events > MAX_LAG_EVENTS || ms > MAX_LAG_MS };
  }

  /**
   * Resolves with the first commit that holds `offset`. Rejects with the signal's reason, with `STATE_BUSY` when too many wait, or
   * with why nothing is committed any more.
   */
  waitFor(offset: number, signal?: AbortSignal): Promise<Notice> {
    if (offset <= this.#loop.head.offset) return Promise.resolve(this.notice);
    if (this.#isClosed || this.#loop.state === 'failed') return Promise.reject(this.#stopped());
    return this.#waiters.add(offset, signal);
  }

  /** Outcomes of committed offsets (see `waitFor`), in the order given. */
  outcomesOf(offsets: readonly number[]): readonly FoldOutcome[] {
    this.#store.environment.refresh();
    return this.queries.outcomesOf(offsets);
  }

  /** Outcome of a record; undefined while no commit holds it. */
  outcomeOf(offset: number): FoldOutcome | undefined {
    return offset > this.#loop.head.offset ? undefined : this.outcomesOf([offset])[0];
  }

  /** Committed offsets at or below `upTo` whose events may be of a subject, ascending; see `StateQueries.offsetsOf`. */
  offsetsOf(subject: string, upTo: number): readonly number[] {
    this.#store.environment.refresh();
    return this.queries.offsetsOf(subject, upTo);
  }

  /** Quarantined events above `after`, ascending, at most `limit` (100). */
  quarantine(options: { readonly after?: number; readonly limit?: number } = {}): readonly FoldOutcome[] {
    this.#store.environment.refresh();
    return this.queries.quarantine(options);
  }

  /**
   * Calls `look` with the offset at which fold and graph stand, in a moment when both stand at the same: at once, or when what is
   * being derived has been. The function must not wait for anything.
   */
  atRest(look: (offset: number) => void): void {
    this.#loop.atRest(look);
  }

  /** Calls the listener when something that the graph is made of has changed; the function returned ends that. */
  onGraphChange(listener: () => void): () => void {
    this.#graphListeners.add(listener);
    return () => this.#graphListeners.delete(listener);
  }

  /** Calls the listener with every change of shared resources (undefined: removed), before it is committed. Keys as `resourceKey`. */
  onResources(listener: (changes: ReadonlyMap<string, StoredResource | undefined>) => void): void {
    this.#resourceListeners.add(listener);
  }

  /** Keys of all shared resources, as derived. */
  sharedKeys(): readonly string[] {
    return [...this.#opened.deriver.resources.resourceKeys()];
  }

  /** A shared resource as committed. */
  sharedResource(key: string): StoredResource | undefined {
    return this.queries.resource(key);
  }

  /** State hash and chain at the newest commit, or the newest proof at or below `at`; at least that of the empty state, offset 0. */
  proof(at?: number): StateProof {
    const { offset, hash, chain, foldVersion, base } = this.#loop.head;
    const fold = { foldVersion, ...(base === undefined ? {} : { base }) };
    if (at === undefined || at >= offset) return { offset, hash, chain, ...fold };
    this.#store.environment.refresh();
    return this.queries.proofAt(at, fold) ?? { ...EMPTY_PROOF, foldVersion };
  }

  /** Of the newest commit, or the one that is being written. */
  totals(): MeshTotals {
    return { servicePorts: this.#loop.servicePorts, fullPushBytes: this.#opened.deriver.resources.sharedBytes };
  }

  /** Ends following, commits what is folded, closes the state in order. The log stays open. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#loop.stop();
    this.#isClosed = true;
    this.#waiters.fail(this.#stopped());
    this.past.close();
    await this.retention?.close();
    await this.snapshots.close();
    await this.#store.close();
  }

  #stopped(): TendrilError {
    const remedy = 'try again later';
    return this.#loop.failure ?? new TendrilError('STATE_CLOSED', 'the control plane is stopping', { remedy });
  }

  /** Starts the loop; resolves when it has passed `target`. */
  async #begin(target: number): Promise<void> {
    const loop = this.#loop;
    const progress = new Progress(this.#options, 'catching up with the log', loop.through);
    loop.start();
    while (loop.through < target) {
      if (loop.state === 'failed') throw this.#stopped();
      // Better to serve what is there than nothing; `condition` tells.
      if (loop.state === 'waiting-for-disk') return;
      progress.at(loop.through, target);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #committed(head: Head): void {
    const notice = { epoch: head.epoch, offset: head.offset };
    this.#waiters.settle(notice);
    for (const listener of this.#listeners) {
      this.#notices++;
      try {
        listener(notice);
      } catch (error) {
        this.#options.logger?.error({ err: error }, 'a listener of notices failed');
      }
    }
  }
}
