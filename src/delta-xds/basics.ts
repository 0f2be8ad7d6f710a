/** The light door: bounds and their ranges, without the server behind `index.ts`. For what reads a configuration. */
export { LIMIT_RANGES } from './limit-ranges.ts';
export type { ServerLimits } from './limits.ts';
