/** The one place that opens LMDB. Never `useWritemap` (SIGBUS on a full disk) and never `noSync`. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Database, open, RootDatabase } from 'lmdb';
import type { TableKey } from './checked-record.ts';

/** Its CommonJS build is one file and loads in two thirds of the time: a client that starts on its cache waits for it. */
const lmdb = createRequire(import.meta.url)('lmdb') as { readonly open: typeof open };

/**
 * What a commit's promise means.
 * - `durable`: it is on disk, and nobody sees it before.
 * - `visible`: readers see it, the disk follows; after a power cut lmdb-js goes back to the last commit on disk.
 */
export type CommitMode = 'durable' | 'visible';

export interface RootOptions {
  readonly path: string;
  readonly mode: CommitMode;
  readonly readOnly: boolean;
  readonly maxReaders: number;
  /** Bytes of address space, the largest size the file can have. */
  readonly mapSize: number;
}

export type LmdbRoot = RootDatabase<Buffer, string>;
export type LmdbTable = Database<Buffer, TableKey & (number | string)>;

export const dataFile = (path: string): string => join(path, 'data.mdb');
export const lockFile = (path: string): string => join(path, 'lock.mdb');

export const openRoot = (options: RootOptions): LmdbRoot => {
  const visible = options.mode === 'visible' && !options.readOnly;
  return lmdb.open<Buffer, string>({
    path: options.path,
    noSubdir: false,
    encoding: 'binary',
    cache: false,
    maxDbs: 32,
    maxReaders: options.maxReaders,
    mapSize: options.mapSize,
    readOnly: options.readOnly,
    overlappingSync: visible,
    noMemInit: false,
    eventTurnBatching: false,
  });
};

/** Undefined when the table does not exist and may not be made (`create` false, or a read-only root). */
export const openTable = (root: LmdbRoot, name: string, create: boolean): LmdbTable | undefined =>
  root.openDB<Buffer, TableKey & (number | string)>({
    name,
    encoding: 'binary',
    cache: false,
    ...(create ? {} : { create: false }),
  }) as LmdbTable | undefined;

/** Names of all tables: LMDB keeps them as the keys of its main table. */
export const tableNames = (root: LmdbRoot): string[] => [...root.getKeys()].map(String);
