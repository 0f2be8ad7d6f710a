/** Retention: how much of log and history is kept. */
export type { RetentionPolicy } from './decide.ts';
export { Retention, type RetentionOptions } from './retention.ts';
