/** LMDB environments: opened, locked, checked, guarded. Used by log, state and the client's cache. */

export { type CheckExtent, checkEnvironment } from './check.ts';
export { CHECKSUM_BYTES, type TableKey } from './checked-record.ts';
export { crc32 } from './crc32.ts';
export { prepareDirectory, storageError } from './data-dir.ts';
export {
  createDiskGuard,
  type DiskCondition,
  type DiskGuard,
  type DiskGuardOptions,
  type DiskState,
} from './disk-guard.ts';
export type { Environment, EnvironmentOptions, OpenedAs, StoreLogger } from './environment.ts';
export { armedFailpoint, failpoint } from './failpoint.ts';
export { headProblemOf } from './file-facts.ts';
export type { EnvironmentSchema } from './identity.ts';
export type { CommitMode } from './lmdb-root.ts';
export { openEnvironment } from './open-environment.ts';
export type { ReaderAges } from './readers.ts';
export { type Scan, scanTable } from './scan.ts';
export type { Batch, Table } from './table.ts';
export { isDamage } from './unseal.ts';
export { acquireWriterLock, type WriterLock } from './writer-lock.ts';
