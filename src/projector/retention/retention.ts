/**
 * Retention: lets log and history begin later, by way of checkpoints (decide.ts says what comes next).
 *
 * A checkpoint is written when there are events to remove, and used when it has become too old itself: so between one and two times
 * what the policy says is kept. All work is done in bounded commits beside those of ingest and projector; one step runs at a time.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import type { EventLog, LogBase } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import type { DiskGuard, StoreLogger } from '../../store/index.ts';
import {
  checkpointPath,
  nextCheckpointPath,
  provenHeader,
  readHeaderOf,
  requireOfLog,
  type SnapshotExports,
  type SnapshotHeader,
  syncDirectory,
  writeSnapshotFile,
} from '../snapshot/index.ts';
import type { StateStore } from '../state-store.ts';
import { cutLog } from './cut-log.ts';
import { cutHistory, cutRows, hasRowsBefore } from './cut-state.ts';
import { decideRetention, LEAST_EVENTS, type RetentionPolicy, type RetentionStep, tooOld } from './decide.ts';

export interface RetentionOptions {
  /** Data directory. */
  readonly dir: string;
  readonly mesh: string;
  readonly policy: RetentionPolicy;
  readonly log: Pick<EventLog, 'head' | 'read' | 'offsetAt'>;
  /** Removes the events up to the base from the log. */
  readonly prune: (base: LogBase) => Promise<void>;
  readonly store: StateStore;
  readonly snapshots: SnapshotExports;
  readonly clock: { now(): number };
  /** Offset of the newest visible commit; undefined while nothing may be written. */
  readonly committed: () => number | undefined;
  /** Told when the history begins later. */
  readonly onCut: () => void;
  readonly guard?: DiskGuard;
  readonly logger?: StoreLogger;
  /** Default `LEAST_EVENTS`. */
  readonly leastEvents?: number;
}

export class Retention {
  readonly counters = { pruned: 0, checkpoints: 0, failures: 0 };
  readonly #options: RetentionOptions;
  #checkpoint: SnapshotHeader | undefined;
  #next: SnapshotHeader | undefined;
  #isLoaded = false;
  #running: Promise<RetentionStep> | undefined;
  #said = '';

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** The checkpoint in use: its offset and the time of its last event, ms since the epoch. */
  get checkpoint(): { readonly offset: number; readonly recordedAt: number } | undefined {
    return this.#checkpoint;
  }

  /** Takes the next step, if one is due. Never rejects: what hinders it is logged and counted, and tried again at the next call. */
  tick(): Promise<RetentionStep> {
    this.#running ??= this.#try().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when no step runs. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #try(): Promise<RetentionStep> {
    try {
      const step = await this.#step();
      this.#said = '';
      return step;
    } catch (error) {
      this.counters.failures++;
      const text = error instanceof Error ? error.message : String(error);
      if (text !== this.#said) this.#options.logger?.warn({ err: error }, 'retention waits');
      this.#said = text;
      return 'nothing';
    }
  }

  async #step(): Promise<RetentionStep> {
    if (!this.#isLoaded) await this.#load();
    const { committed, snapshots } = this.#options;
    const offset = committed();
    // Somebody reads the log from its beginning.
    if (offset === undefined || snapshots.isOpen) return 'nothing';
    const step = this.#decide(offset);
    if (step === 'write') await this.#write();
    else if (step === 'promote') await this.#promote();
    else if (step === 'cut') await this.#cut();
    return step;
  }

  #decide(offset: number): RetentionStep {
    const { log, policy, clock, store, leastEvents } = this.#options;
    const checkpoint = this.#checkpoint?.offset;
    return decideRetention({
      offset,
      first: log.head().first,
      tooOld: tooOld(policy, offset, clock.now(), (time) => log.offsetAt(time), leastEvents ?? LEAST_EVENTS),
      checkpoint,
      next: this.#next?.offset,
      hasRest: checkpoint !== undefined && hasRowsBefore(store.tables, checkpoint),
    });
  }

  async #load(): Promise<void> {
    const { dir } = this.#options;
    this.#checkpoint = await readHeaderOf(checkpointPath(dir));
    try {
      this.#next = await readHeaderOf(nextCheckpointPath(dir));
    } catch (error) {
      this.#dropNext(error);
    }
    this.#isLoaded = true;
  }

  /** A next checkpoint that is no good is written again. */
  #dropNext(error: unknown): void {
    this.#options.logger?.warn({ err: error }, 'a checkpoint cannot be used; another one is written');
    rmSync(nextCheckpointPath(this.#options.dir), { force: true });
    this.#next = undefined;
  }

  async #write(): Promise<void> {
    const { dir, snapshots, guard, logger } = this.#options;
    const open = await snapshots.open({ withLog: false });
    try {
      const bytes = await writeSnapshotFile(nextCheckpointPath(dir), open.bytes, guard);
      this.#next = open.header;
      this.counters.checkpoints++;
      logger?.info({ offset: open.header.offset, bytes }, 'checkpoint is written');
    } finally {
      await open.close();
    }
  }

  /** N3 */
  async #promote(): Promise<void> {
    const { dir, mesh, log } = this.#options;
    try {
      const header = await provenHeader(nextCheckpointPath(dir), mesh);
      await requireOfLog(log, header);
      renameSync(nextCheckpointPath(dir), checkpointPath(dir));
      syncDirectory(dir);
      this.#checkpoint = header;
      this.#next = undefined;
    } catch (error) {
      if (error instanceof TendrilError && existsSync(nextCheckpointPath(dir))) this.#dropNext(error);
      throw error;
    }
  }

  /**
   * N2: images first, so that the history has a beginning, and on disk; then the log; then what spoke of it. Ends where a snapshot
   * is opened meanwhile (X2 of exports.ts), and is begun again.
   */
  async #cut(): Promise<void> {
    const { dir, log, prune, store, snapshots, onCut, logger } = this.#options;
    const header = this.#checkpoint;
    if (header === undefined) return;
    const { first } = log.head();
    await cutHistory(store, checkpointPath(dir), header);
    onCut();
    // The log's removals are durable, the state's commits only visible: after a power cut it must not be behind the log's beginning.
    await store.environment.flushed();
    const remove = (commit: () => Promise<void>): Promise<boolean> => snapshots.remove(commit);
    const isCut = await cutLog(log, (base) => remove(() => prune(base)), store.tables, header);
    const removed = log.head().first - first;
    this.counters.pruned += removed;
    const isDone = isCut && (await cutRows(store, header.offset, remove));
    const said = { first: log.head().first, removed };
    if (isDone) logger?.info(said, 'old events are removed');
    else logger?.info(said, 'a snapshot is being taken; the rest of the old events is removed behind it');
  }
}
