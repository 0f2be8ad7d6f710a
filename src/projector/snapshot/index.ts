/** Snapshots: the state of a mesh as a stream, written, read, kept as checkpoint. */
export { checkpointPath, readSnapshotFile, writeSnapshotFile } from './checkpoint.ts';
export {
  type ExportDataOptions,
  exportData,
  type ImportDataOptions,
  type ImportedData,
  importData,
} from './data-directory.ts';
export { SnapshotExports } from './exports.ts';
export type { SnapshotHeader } from './format.ts';
export { installSnapshot } from './install.ts';
export { beginFromCheckpoint, loadCheckpoint } from './load.ts';
export { type OpenSnapshot, openSource } from './source.ts';
