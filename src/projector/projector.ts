/**
 * The projector: follows the log, folds, derives, commits, tells.
 *
 * Invariants
 * P1 One commit holds a prefix of the log: entities, resources, callers and offset belong together. The fold does not move while
 *    resources are derived from it; it may move while a commit is being written.
 * P2 Notices come after their commit is visible, with epochs 1, 2, 3, …
 * P3 A single event is committed at once. While a commit is being written, or more waits in the log than half of what is folded,
 *    more events are folded (up to `MAX_PENDING`, `FULL_BATCH`) and go together into the next one: batches grow with the load,
 *    without a timer.
 * P4 A full disk pauses, any other failed commit or log ends the projector: it says so, refuses whoever waits, and stays readable.
 */
import type { DependencyGraph } from '../dependency-graph/index.ts';
import type { EventLog, LogRecord } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import type { DiskGuard, StoreLogger } from '../store/index.ts';
import type { Deriver } from './deriver.ts';
import type { FoldOptions, FoldState } from './fold/index.ts';
import type { FoldRun } from './fold-run.ts';
import type { Head } from './head.ts';
import { openState } from './opening.ts';
import { derivationOf, headOf } from './parts.ts';
import { Progress } from './progress.ts';
import { RecordQueue } from './record-queue.ts';
import { decodeService } from './records.ts';
import { StateQueries } from './state-queries.ts';
import { StateStore } from './state-store.ts';
import { inSlices, nextTurn } from './turns.ts';
import type { FoldOutcome, Lag, MeshTotals, Notice, ProjectorCondition, ProjectorState, StateProof } from './types.ts';
import { Waiters } from './waiters.ts';

const MAX_PENDING = 16_384;
/** Events of one commit while the log is ahead by more than these. */
const FULL_BATCH = 8_192;
/** Records read ahead of the fold. */
const MAX_AHEAD = 16_384;
const RECORDS_PER_BATCH = 1024;
const RECORDS_PER_TURN = 256;
const UNITS_PER_TURN = 64;
const DISK_RETRY_MS = 1_000;
const MAX_LAG_EVENTS = 100_000;
const MAX_LAG_MS = 5_000;

export interface ProjectorOptions {
  /** Data directory; the state lies in its folder `state`. */
  readonly dir: string;
  readonly log: EventLog;
  readonly mesh: string;
  /** Wall clock in ms, for `lag` and progress lines; no decision about the state reads it. */
  readonly clock: { now(): number };
  readonly logger?: StoreLogger;
  /** Asked before each commit; its reserve should be below the log's, so that what was acknowledged can still be folded. */
  readonly guard?: DiskGuard;
  /** Version of the software: another one than the last, and resources are derived again (equal bytes stay untouched). */
  readonly version?: string;
  readonly fold?: Omit<FoldOptions, 'mesh'>;
  /** Largest size of the state on disk in bytes (default 1 TiB). */
  readonly mapSize?: number;
}

export interface ProjectorCounters {
  readonly events: number;
  readonly commits: number;
  readonly notices: number;
  /** Compilations, and resources that came out changed or removed. */
  readonly compiled: number;
  readonly changed: number;
  readonly removed: number;
  readonly compileFailures: number;
  readonly diskWaits: number;
  readonly waiters: number;
}

export class Projector {
  /** The folded state: may be a commit ahead of what workers see. */
  readonly fold: FoldState;
  readonly graph: DependencyGraph;
  readonly queries: StateQueries;
  readonly #options: ProjectorOptions;
  readonly #store: StateStore;
  readonly #run: FoldRun;
  readonly #deriver: Deriver;
  readonly #waiters = new Waiters();
  readonly #listeners = new Set<(notice: Notice) => void>();
  readonly #stop = new AbortController();
  readonly #counters = { events: 0, commits: 0, notices: 0, diskWaits: 0 };
  #head: Head;
  #servicePorts = 0;
  /** Last record read when the newest commit was taken. */
  #through: number;
  #state: ProjectorState = 'live';
  #failure: TendrilError | undefined;
  #writing: Promise<void> | undefined;
  /** recordedAt of the oldest record folded since the last commit was taken, and of the one being written. */
  #oldest: number | undefined;
  #oldestWriting: number | undefined;
  #loop: Promise<void> = Promise.resolve();

  private constructor(options: ProjectorOptions, store: StateStore, run: FoldRun, deriver: Deriver, head: Head) {
    this.#options = options;
    this.#store = store;
    this.#run = run;
    this.#deriver = deriver;
    this.#head = head;
    this.#through = run.read;
    this.fold = run.fold;
    this.graph = deriver.graph;
    this.queries = new StateQueries(store.tables);
    for (const name of this.fold.serviceNames()) this.#servicePorts += this.fold.service(name)?.ports.length ?? 0;
  }

  /**
   * Loads or builds the state and resolves when it holds the log as it was at the call. Then it follows.
   * @throws TendrilError as `openEnvironment`, and `STATE_AHEAD_OF_LOG`, `STATE_OF_ANOTHER_LOG`, `LOG_GAP`, `LOG_CORRUPT`.
   */
  static async open(options: ProjectorOptions): Promise<Projector> {
    const { log, logger, guard, mapSize } = options;
    const target = log.head().offset;
    const store = await StateStore.open({
      dir: options.dir,
      mesh: options.mesh,
      ...(logger === undefined ? {} : { logger }),
      ...(guard === undefined ? {} : { guard }),
      ...(mapSize === undefined ? {} : { mapSize }),
    });
    try {
      const derivation = derivationOf(options.version);
      const { run, deriver, head } = await openState(store, { ...options, derivation });
      const projector = new Projector(options, store, run, deriver, head);
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

  /** The newest commit that readers see. */
  get notice(): Notice {
    return { epoch: this.#head.epoch, offset: this.#head.offset };
  }

  get counters(): ProjectorCounters {
    const { compiled, changed, removed, failures } = this.#deriver.resources.counters;
    return { ...this.#counters, compiled, changed, removed, compileFailures: failures, waiters: this.#waiters.size };
  }

  condition(): ProjectorCondition {
    const failedUnits = this.#deriver.resources.failedUnits.size;
    if (this.#failure === undefined) return { state: this.#state, failedUnits };
    return { state: this.#state, code: this.#failure.code, message: this.#failure.message, failedUnits };
  }

  /** Calls the listener after each commit; the function returned ends that. */
  onNotice(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  lag(): Lag {
    const events = Math.max(0, this.#options.log.head().offset - this.#through);
    const oldest = this.#oldestWriting ?? this.#oldest;
    const ms = events === 0 || oldest === undefined ? 0 : Math.max(0, this.#options.clock.now() - oldest);
    return { events, ms, tooFar: events > MAX_LAG_EVENTS || ms > MAX_LAG_MS };
  }

  /**
   * Resolves with the first commit that holds `offset`. Rejects with the signal's reason, with `STATE_BUSY` when too many wait, or
   * with why nothing is committed any more.
   */
  waitFor(offset: number, signal?: AbortSignal): Promise<Notice> {
    if (offset <= this.#head.offset) return Promise.resolve(this.notice);
    if (this.#state === 'failed' || this.#state === 'closed') return Promise.reject(this.#stopped());
    return this.#waiters.add(offset, signal);
  }

  /** Outcomes of committed offsets (see `waitFor`), in the order given. */
  outcomesOf(offsets: readonly number[]): readonly FoldOutcome[] {
    this.#store.environment.refresh();
    return this.queries.outcomesOf(offsets);
  }

  /** Outcome of a record; undefined while no commit holds it. */
  outcomeOf(offset: number): FoldOutcome | undefined {
    return offset > this.#head.offset ? undefined : this.outcomesOf([offset])[0];
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

  /** State hash and chain at the newest commit, or the newest proof at or below `at`. */
  proof(at?: number): StateProof | undefined {
    const { offset, hash, chain, foldVersion } = this.#head;
    if (at === undefined || at >= offset) return { offset, hash, chain, foldVersion };
    this.#store.environment.refresh();
    return this.queries.proofAt(at, foldVersion);
  }

  /** Ends following, commits what is folded, closes the state in order. The log stays open. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#stop.abort();
    await this.#loop;
    this.#state = 'closed';
    this.#waiters.fail(this.#stopped());
    await this.#store.close();
  }

  /** Of the newest commit, or the one that is being written. */
  totals(): MeshTotals {
    return { servicePorts: this.#servicePorts, fullPushBytes: this.#deriver.resources.sharedBytes };
  }

  /** To be called before the change of the service is committed. */
  #countPorts(name: string): void {
    const stored = this.#store.service(name);
    const before = stored === undefined ? 0 : decodeService(stored).ports.length;
    this.#servicePorts += (this.fold.service(name)?.ports.length ?? 0) - before;
  }

  #stopped(): TendrilError {
    return (
      this.#failure ?? new TendrilError('STATE_CLOSED', 'the control plane is stopping', { remedy: 'try again later' })
    );
  }

  async #begin(target: number): Promise<void> {
    const progress = new Progress(this.#options, 'catching up with the log', this.#through);
    const caughtUp = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (this.#state === 'failed' && this.#failure !== undefined) reject(this.#failure);
        else if (this.#through >= target) resolve();
        else {
          progress.at(this.#through, target);
          setTimeout(look, 5);
        }
      };
      look();
    });
    this.#loop = this.#follow();
    await caughtUp;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const queue = new RecordQueue(MAX_AHEAD);
    signal.addEventListener('abort', () => queue.stop());
    const from = this.#run.read + 1;
    const reading = queue.read(this.#options.log.follow({ from, signal, maxBatch: RECORDS_PER_BATCH }));
    try {
      while (!signal.aborted) {
        const records = queue.takeNow();
        if (records !== undefined) {
          await this.#foldBatch(records);
          if (this.#isDue()) await this.#commitPending();
        } else if (this.#writing === undefined && this.#run.events > 0) await this.#commitPending();
        else if (queue.isOver) break;
        else await Promise.race([queue.more(), ...(this.#writing === undefined ? [] : [this.#writing])]);
      }
      await this.#commitPending();
      await this.#writing;
      if (!signal.aborted) throw new TendrilError('LOG_CLOSED', 'the log was closed before the projector');
    } catch (error) {
      this.#fail(error);
    }
    queue.stop();
    await reading;
  }

  /** P3 */
  #isDue(): boolean {
    const pending = this.#run.events;
    if (this.#writing !== undefined) return pending >= MAX_PENDING;
    const waiting = this.#options.log.head().offset - this.#run.read;
    return waiting <= pending / 2 || pending >= FULL_BATCH;
  }

  async #foldBatch(records: readonly LogRecord[]): Promise<void> {
    this.#oldest ??= records[0]?.recordedAt;
    for (let at = 0; at < records.length; at += RECORDS_PER_TURN) {
      if (at > 0) await nextTurn();
      for (const record of records.slice(at, at + RECORDS_PER_TURN)) this.#run.apply(record);
    }
    this.#counters.events += records.length;
  }

  /** P1, P3. Resolves when the commit has begun; the one before has ended then. */
  async #commitPending(): Promise<void> {
    await this.#writing;
    if (this.#run.events === 0) return;
    const through = this.#run.read;
    this.#oldestWriting = this.#oldest;
    this.#oldest = undefined;
    const stand = headOf(this.#run, this.#head.epoch + 1, this.#head.derivation);
    const folded = this.#run.take();
    this.#store.environment.refresh();
    const derived = await inSlices(this.#deriver.derive(folded.inputs, folded.endpoints), UNITS_PER_TURN);
    for (const name of derived.services.keys()) this.#countPorts(name);
    const head: Head = { ...stand, sharedBytes: this.#deriver.resources.sharedBytes };
    const write = this.#store.prepare({ folded, derived, head, everything: false });
    this.#writing = this.#write(write).then(() => {
      this.#writing = undefined;
      this.#committed(head, through);
    });
    this.#writing.catch((error: unknown) => this.#fail(error));
  }

  /** P4 */
  async #write(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await write();
        if (this.#state === 'waiting-for-disk') this.#resumed();
        return;
      } catch (error) {
        if (!(error instanceof TendrilError) || error.code !== 'DISK_FULL' || this.#stop.signal.aborted) throw error;
        this.#pause(error);
        await new Promise((resolve) => setTimeout(resolve, DISK_RETRY_MS));
      }
    }
  }

  #pause(error: TendrilError): void {
    this.#counters.diskWaits++;
    if (this.#state === 'waiting-for-disk') return;
    this.#state = 'waiting-for-disk';
    this.#failure = error;
    this.#options.logger?.warn({ err: error }, 'the state waits for room on the disk');
  }

  #resumed(): void {
    this.#state = 'live';
    this.#failure = undefined;
    this.#options.logger?.info({}, 'there is room on the disk again; the state goes on');
  }

  /** P2 */
  #committed(head: Head, through: number): void {
    this.#head = head;
    this.#through = through;
    this.#oldestWriting = undefined;
    this.#counters.commits++;
    const { notice } = this;
    this.#waiters.settle(notice);
    for (const listener of this.#listeners) {
      this.#counters.notices++;
      try {
        listener(notice);
      } catch (error) {
        this.#options.logger?.error({ err: error }, 'a listener of notices failed');
      }
    }
  }

  #fail(error: unknown): void {
    if (this.#state === 'failed') return;
    const cause = error instanceof TendrilError ? error : undefined;
    const text = error instanceof Error ? error.message : String(error);
    this.#failure = cause ?? new TendrilError('STATE_FAILED', `the projector has stopped: ${text}`, { cause: error });
    this.#state = 'failed';
    this.#options.logger?.error(
      { err: error, offset: this.#head.offset },
      'the projector has stopped; the state is read-only',
    );
    this.#waiters.fail(this.#failure);
    this.#stop.abort();
  }
}
