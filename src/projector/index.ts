/** From the log to the state and the read model that xDS workers serve from. */

export * from './fold/index.ts';
export { PROOF_EVERY } from './fold-run.ts';
export { Ledger, type LedgerOptions } from './ledger.ts';
export type { LedgerStep } from './ledger-ring.ts';
export type { PastGraph, PastReader, PastState, StateThen } from './past/index.ts';
export { Projector } from './projector.ts';
export type { PreparedState, ProjectorCounters, ProjectorOptions } from './projector-options.ts';
export { ReadModel, type ReadModelOptions } from './read-model.ts';
export { RecordCache } from './record-cache.ts';
export type { RetentionPolicy } from './retention/index.ts';
export {
  type ExportDataOptions,
  exportData,
  type ImportDataOptions,
  type ImportedData,
  importData,
  type OpenSnapshot,
  OUT_MARK,
  readSnapshotFile,
  type SnapshotHeader,
  wholeSnapshot,
  writeSnapshotFile,
} from './snapshot/index.ts';
export type { PastImage, StateQueries } from './state-queries.ts';
export { chainOfProof, openStoredPart, PROOF_TABLE } from './stored-parts.ts';
export type * from './types.ts';
export { type VerifyOptions, type VerifyProgress, type VerifyReport, verifyData } from './verify.ts';
export type { VerifyProblem } from './verify-findings.ts';
