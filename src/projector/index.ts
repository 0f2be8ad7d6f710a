/** From the log to the state and the read model that xDS workers serve from. */
export * from './fold/index.ts';
export { Projector, type ProjectorCounters, type ProjectorOptions } from './projector.ts';
export { StateQueries } from './state-queries.ts';
export type * from './types.ts';
