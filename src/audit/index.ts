/** The audit: who wrote or tried to write what, hash-chained beside the event log. */
export { type AuditCondition, AuditLog, type AuditOptions } from './audit-log.ts';
export { type AuditEntry, type AuditedWrite, type LogAnchor, MAX_RANGES, rangesOf } from './entry.ts';
export type { AuditPage, AuditQuery } from './reader.ts';
export { type AuditProblem, type AuditProof, verifyAudit } from './verify.ts';
