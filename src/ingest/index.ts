/** Everything that comes in: one gateway for all writers, documents, `--dir`, learned edges. */
export { DirAdapter, type DirStatus } from './dir/dir-adapter.ts';
export { documentsOfJson, documentsOfText } from './document-set.ts';
export { DocumentGateway } from './documents.ts';
export { createDryRun } from './dry-run.ts';
export { Ingest, type IngestCounters, type IngestOptions } from './ingest.ts';
export { type EdgeObservation, LearnedEdges, type LearnedEdgesCounters, sidecarSource } from './learned-edges.ts';
export type * from './ports.ts';
export type { RawCheck } from './raw-event.ts';
export { OWN_SOURCE } from './sources.ts';
export type { Submission, SubmitAnswer } from './submission.ts';
