/** Everything that comes in: one gateway for all writers, documents, `--dir`, learned edges. */
export { DirAdapter, type DirAdapterOptions, type DirStatus } from './dir/dir-adapter.ts';
export { type DocumentSet, type DocumentSetOptions, documentsOfJson, documentsOfText } from './document-set.ts';
export {
  type DocumentAction,
  DocumentGateway,
  type DocumentGatewayOptions,
  type DocumentRef,
  type DocumentResult,
  type WriteAnswer,
  type WriteOptions,
} from './documents.ts';
export { createDryRun, type DryEvent, type DryRun } from './dry-run.ts';
export { PUBLIC_EVENT_TYPES } from './event-check.ts';
export {
  type EventAnswer,
  Ingest,
  type IngestCounters,
  type IngestOptions,
  type Place,
  type Submission,
  type SubmitAnswer,
} from './ingest.ts';
export { DEFAULT_LIMITS, type InputLimits } from './input-limits.ts';
export {
  type EdgeObservation,
  LearnedEdges,
  type LearnedEdgesCounters,
  type LearnedEdgesOptions,
  sidecarSource,
} from './learned-edges.ts';
export {
  type EdgePort,
  type FoldLag,
  type FoldPort,
  type IngestLogger,
  type KnownEdge,
  type Outcome,
  type StatePort,
  type StoredDocument,
  systemTimers,
  type Timers,
} from './ports.ts';
export { DIR_SOURCE, LOCAL_SOURCE, OWN_SOURCE } from './sources.ts';
