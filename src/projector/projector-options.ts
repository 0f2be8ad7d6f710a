/** What a projector is opened with, and what it counts. */
import type { EventLog, LogBase } from '../log/index.ts';
import type { DiskGuard, StoreLogger } from '../store/index.ts';
import type { FoldOptions } from './fold/index.ts';
import type { RetentionOptions, RetentionPolicy } from './retention/index.ts';
import type { StateStore } from './state-store.ts';

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
  /** How much of log and history is kept (default: all); `prune` of the log does it. */
  readonly retain?: RetentionPolicy &
    Pick<RetentionOptions, 'leastEvents'> & {
      readonly prune: (base: LogBase) => Promise<void>;
    };
  /** From `Projector.prepare`. */
  readonly prepared?: PreparedState;
}

/** The state's files, opened or being opened. */
export interface PreparedState {
  readonly store: Promise<StateStore>;
  /** Closes them again; for whoever does not come to `Projector.open`. */
  abandon(): Promise<void>;
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
