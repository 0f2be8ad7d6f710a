/**
 * An environment as its users see it: tables, commits, all or none, that are on disk when they are told to be. `LmdbEnvironment` is the one
 * on disk, and holds the invariants E1 to E5; the simulation has one in memory.
 */
import type { TendrilError } from '../model/basics.ts';
import type { TableKey } from './checked-record.ts';
import type { DiskGuard } from './disk-guard.ts';
import type { EnvironmentSchema } from './identity.ts';
import type { CommitMode } from './lmdb-root.ts';
import type { ReaderAges } from './readers.ts';
import type { Batch, Table } from './table.ts';

/** Where this module tells what it did; a pino logger is one. */
export interface StoreLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EnvironmentOptions {
  /** Data directory; the environment lies in its folder `name`. */
  readonly dir: string;
  readonly name: string;
  readonly mesh: string;
  readonly schema: EnvironmentSchema;
  /** A reader takes no lock, checks nothing and creates nothing. */
  readonly readOnly?: boolean;
  /** When a commit's promise resolves and when readers see it (default `durable`); must be the same at every opening. */
  readonly mode?: CommitMode;
  /** The content can be made again from elsewhere: a damaged or older one is emptied instead of refused (default false). */
  readonly derived?: boolean;
  /** `dir` may belong to others too: it keeps its rights where it exists. */
  readonly sharesDirectory?: boolean;
  /** Asked before each commit. */
  readonly guard?: DiskGuard;
  readonly logger?: StoreLogger;
  /** Readers at a time, over all processes (default 1,024). */
  readonly maxReaders?: number;
  /** How often a writer frees the places of readers that died, ms (default 60,000): until then they keep old pages from being used again. */
  readonly readerCheckMs?: number;
  /** Largest size in bytes; sparse address space, not disk (default 1 TiB). */
  readonly mapSize?: number;
  /** `f_type` of statfs(2) of a directory. */
  readonly fileSystemType?: (path: string) => number;
}

/** What was found at the opening. */
export interface OpenedAs {
  readonly created: boolean;
  /** It had been closed in order, so it was not read through. */
  readonly clean: boolean;
  /** Schema version it was last written with; equal to ours when it was created or emptied. */
  readonly schemaVersion: number;
  /** Why its content was thrown away (only with `derived`). */
  readonly emptied?: string;
}

export interface Environment {
  readonly name: string;
  readonly path: string;
  readonly mesh: string;
  /** Changes when the environment is created anew: readers of another process then have to open it again. */
  readonly id: string;
  readonly opened: OpenedAs;
  /** Why nothing can be written any more (E4). */
  readonly failure: TendrilError | undefined;
  /** The first damage that a read of this process has met, or that it was told of (E5). */
  readonly damage: TendrilError | undefined;
  /** Commits done, bytes of their values, and places freed of readers that died. */
  readonly counters: { readonly commits: number; readonly bytes: number; readonly deadReaders: number };
  /** Makes the table if it is missing; a reader gets `DATA_MISSING` then. */
  table<K extends TableKey>(name: string): Table<K>;
  /**
   * Writes what `work` collects, all or nothing. Resolves as `mode` says. Rejects with `DISK_FULL` (nothing happened; try
   * later), `DATA_READ_ONLY` (E4), `DATA_CLOSED`, `INVALID_KEY`, or what `work` throws.
   */
  commit(work: (batch: Batch) => void): Promise<void>;
  /** Resolves when everything committed so far is on disk; rejects with `DATA_READ_ONLY` when the disk failed (E4). */
  flushed(): Promise<void>;
  /**
   * Waits until everything is on disk and marks the environment as one that need not be read through, should the process be killed before
   * its next commit, which takes the mark away first (E2). Does nothing when a commit came meanwhile. Rejects as `flushed` does.
   */
  checkpoint(): Promise<void>;
  /** Makes later reads of this turn of the event loop see the newest commit. */
  refresh(): void;
  /** Damage that somebody else has found (E5). */
  noteDamage(error: TendrilError): void;
  tableNames(): string[];
  /** Bytes of the data file; NaN when it cannot be asked. */
  size(): number;
  /** Readers of all processes, and how long the oldest has stayed; from call to call. */
  readers(): ReaderAges;
  /** Frees the places of readers that died; gives their number. */
  checkReaders(): number;
  /**
   * Copies what is committed now into a new environment at `path`, off the event loop and without what was removed; commits go
   * on meanwhile. Holds one reader for as long as the disk takes. Calls `admit` with the most bytes that it may write; what that
   * throws is the result. Rejects with `DATA_NOT_WRITABLE`, `DISK_FULL`, `DATA_CLOSED`.
   */
  copyTo(path: string, admit: (bytes: number) => void): Promise<void>;
  /** Waits for running commits, then marks the environment as closed in order. */
  close(): Promise<void>;
}
