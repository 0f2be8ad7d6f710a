/** Snapshots: the state of a mesh as a stream, written, read, kept as checkpoint. */
export { tailOf } from './check.ts';
export {
  checkpointPath,
  nextCheckpointPath,
  readHeaderOf,
  readSnapshotFile,
  syncDirectory,
  writeSnapshotFile,
} from './checkpoint.ts';
export {
  type ExportDataOptions,
  exportData,
  type ImportDataOptions,
  type ImportedData,
  importData,
  OUT_MARK,
} from './data-directory.ts';
export { provenHeader, readEntities } from './entities.ts';
export { SnapshotExports } from './exports.ts';
export type { SnapshotHeader } from './format.ts';
export { installSnapshot } from './install.ts';
export { beginFromCheckpoint, loadCheckpoint, requireOfLog } from './load.ts';
export { wholeSnapshot } from './read.ts';
export type { OpenSnapshot } from './source.ts';
export { BaseImages, historyFromOf, RowWriter } from './state-rows.ts';
