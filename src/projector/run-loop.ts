/**
 * The projector's loop: reads ahead, folds, derives, commits.
 *
 * Invariants
 * P1 One commit holds a prefix of the log: entities, resources, callers and offset belong together. The fold does not move while
 *    resources are derived from it; it may move while a commit is being written.
 * P2 `onCommitted` is told after a commit is visible, with epochs 1, 2, 3, …
 * P3 A single event is committed at once. While a commit is being written, or more waits in the log than half of what is folded,
 *    more events are folded (up to `MAX_PENDING`, `FULL_BATCH`) and go together into the next one: batches grow with the load,
 *    without a timer.
 * P4 A full disk pauses it. Any other failed commit, damage, or an end of the log ends it: it says so and writes nothing more, but for
 *    a note that the next start makes a damaged state anew.
 * P5 Nothing is folded or committed before all that folding needs is loaded (`Opened.rest`); reading does not wait for that.
 */
import type { EventLog, LogRecord } from '../log/index.ts';
import { TendrilError } from '../model/index.ts';
import { failpoint, type StoreLogger } from '../store/index.ts';
import type { Head } from './head.ts';
import { type Opened, REBUILT_AFTER } from './opening.ts';
import { headOf } from './parts.ts';
import { RecordQueue } from './record-queue.ts';
import { decodeService } from './records.ts';
import type { StateStore } from './state-store.ts';
import { inSlices, nextTurn } from './turns.ts';
import type { ProjectorState, StoredResource } from './types.ts';

const MAX_PENDING = 16_384;
/** Events of one commit while the log is ahead by more than these. */
const FULL_BATCH = 8_192;
/** Records read ahead of the fold. */
const MAX_AHEAD = 16_384;
const RECORDS_PER_BATCH = 1024;
const RECORDS_PER_TURN = 256;
const UNITS_PER_TURN = 64;
const DISK_RETRY_MS = 1_000;

export interface RunLoopOptions {
  readonly log: EventLog;
  readonly store: StateStore;
  readonly opened: Opened;
  readonly logger: StoreLogger | undefined;
  readonly onCommitted: (head: Head) => void;
  readonly onFailed: (error: TendrilError) => void;
  /** Told of the resources that a derivation changed. Must not throw, and must be short. */
  readonly onResources: (changes: ReadonlyMap<string, StoredResource | undefined>) => void;
  /** Told behind a derivation with inputs of the dependency graph. Must not throw, and must be short. */
  readonly onGraphChanged: () => void;
}

const isOfGraph = (input: string): boolean =>
  input.startsWith('edges:') || input.startsWith('svc:') || input.startsWith('doc:Dependency|');

export class RunLoop {
  readonly counters = { events: 0, commits: 0, diskWaits: 0 };
  readonly #options: RunLoopOptions;
  readonly #stop = new AbortController();
  #head: Head;
  /** Last record read when the newest commit was taken. */
  #through: number;
  #servicePorts = 0;
  /** Offset up to which everything is derived; undefined while that goes on. */
  #derived: number | undefined;
  #resting: ((offset: number) => void)[] = [];
  #state: Exclude<ProjectorState, 'closed'> = 'live';
  #failure: TendrilError | undefined;
  #writing: Promise<void> | undefined;
  /** recordedAt of the oldest record folded since the last commit was taken, and of the one being written. */
  #oldest: number | undefined;
  #oldestWriting: number | undefined;
  #ended: Promise<void> = Promise.resolve();
  /** The note of P4. */
  #noted: Promise<void> | undefined;

  constructor(options: RunLoopOptions) {
    const { head, run } = options.opened;
    this.#options = options;
    this.#head = head;
    this.#through = run.read;
    this.#derived = run.offset;
    for (const name of run.fold.serviceNames()) this.#servicePorts += run.fold.service(name)?.ports.length ?? 0;
  }

  /** Of the newest visible commit. */
  get head(): Head {
    return this.#head;
  }

  /** Offset up to which records are in a visible commit, or decided to be in none yet (an incomplete batch). */
  get through(): number {
    return this.#through;
  }

  get state(): Exclude<ProjectorState, 'closed'> {
    return this.#state;
  }

  /** Why it is not `live`. */
  get failure(): TendrilError | undefined {
    return this.#failure;
  }

  /** recordedAt of the oldest folded event that is not visible; undefined: there is none. */
  get oldestPending(): number | undefined {
    return this.#oldestWriting ?? this.#oldest;
  }

  /** Ports of all registered services. */
  get servicePorts(): number {
    return this.#servicePorts;
  }

  /** See `Projector.atRest`. */
  atRest(look: (offset: number) => void): void {
    const { offset } = this.#options.opened.run;
    if (this.#derived === offset || this.#state === 'failed') look(offset);
    else this.#resting.push(look);
  }

  start(): void {
    this.#ended = this.#follow();
  }

  /** Ends following and commits what is folded. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.#noted;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const { log, opened } = this.#options;
    const queue = new RecordQueue(MAX_AHEAD);
    signal.addEventListener('abort', () => queue.stop());
    const from = opened.run.read + 1;
    const reading = queue.read(log.follow({ from, signal, maxBatch: RECORDS_PER_BATCH }));
    try {
      await this.#loadRest();
      while (!signal.aborted) {
        const records = queue.takeNow();
        if (records !== undefined) {
          await this.#foldBatch(records);
          if (this.#isDue()) await this.#commitPending();
        } else if (this.#writing === undefined && opened.run.events > 0) await this.#commitPending();
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

  /** P5 */
  async #loadRest(): Promise<void> {
    for (const _ of this.#options.opened.rest) {
      await nextTurn();
      if (this.#stop.signal.aborted) return;
    }
  }

  /** P3 */
  #isDue(): boolean {
    const { log, opened } = this.#options;
    const pending = opened.run.events;
    if (this.#writing !== undefined) return pending >= MAX_PENDING;
    const waiting = log.head().offset - opened.run.read;
    return waiting <= pending / 2 || pending >= FULL_BATCH;
  }

  async #foldBatch(records: readonly LogRecord[]): Promise<void> {
    const { run } = this.#options.opened;
    this.#oldest ??= records[0]?.recordedAt;
    let inTurn = 0;
    for (const record of records) {
      if (++inTurn % RECORDS_PER_TURN === 0) await nextTurn();
      run.apply(record);
    }
    this.counters.events += records.length;
  }

  /** P1, P3. Resolves when the commit has begun; the one before has ended then. */
  async #commitPending(): Promise<void> {
    const { opened, store } = this.#options;
    const { run, deriver } = opened;
    await this.#writing;
    if (run.events === 0) return;
    const through = run.read;
    this.#oldestWriting = this.#oldest;
    this.#oldest = undefined;
    const stand = headOf(run, this.#head.epoch + 1, this.#head.derivation);
    const folded = run.take();
    store.environment.refresh();
    this.#derived = undefined;
    const derived = await inSlices(deriver.derive(folded.inputs, folded.endpoints), UNITS_PER_TURN);
    if (derived.resources.size > 0) this.#options.onResources(derived.resources);
    this.#rest(stand.offset, folded.inputs);
    for (const name of derived.services.keys()) this.#countPorts(name);
    const head: Head = { ...stand, sharedBytes: deriver.resources.sharedBytes };
    failpoint('midProject');
    const write = store.prepare({ folded, derived, head, everything: false });
    this.#writing = this.#write(write).then(() => {
      this.#writing = undefined;
      this.#committed(head, through);
    });
    this.#writing.catch((error: unknown) => this.#fail(error));
  }

  #rest(offset: number, inputs: ReadonlySet<string>): void {
    this.#derived = offset;
    const resting = this.#resting;
    this.#resting = [];
    for (const look of resting) look(offset);
    for (const input of inputs) {
      if (!isOfGraph(input)) continue;
      this.#options.onGraphChanged();
      return;
    }
  }

  /** To be called before the change of the service is committed. */
  #countPorts(name: string): void {
    const { store, opened } = this.#options;
    const stored = store.service(name);
    const before = stored === undefined ? 0 : decodeService(stored).ports.length;
    this.#servicePorts += (opened.run.fold.service(name)?.ports.length ?? 0) - before;
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
    this.counters.diskWaits++;
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
    this.counters.commits++;
    this.#options.onCommitted(head);
  }

  #fail(error: unknown): void {
    if (this.#state === 'failed') return;
    const known = error instanceof TendrilError ? error : undefined;
    const text = error instanceof Error ? error.message : String(error);
    const failure = known ?? new TendrilError('STATE_FAILED', `the projector has stopped: ${text}`, { cause: error });
    this.#failure = failure;
    this.#state = 'failed';
    this.#options.logger?.error(
      { err: error, offset: this.#head.offset },
      'the projector has stopped; the state is read-only',
    );
    this.#options.onFailed(failure);
    this.#stop.abort();
    // Nothing moves any more.
    for (const look of this.#resting.splice(0)) look(this.#options.opened.run.offset);
    // Where even that cannot be written, the next start finds the damage again.
    if (REBUILT_AFTER.has(failure.code))
      this.#noted = this.#options.store.requestRebuild(failure.message).catch(() => undefined);
  }
}
