/** Earlier states, read from history index, images and log without a replay from the start. */
export type { PastGraph } from './past-graph.ts';
export { PastReader } from './past-reader.ts';
export type { PastState } from './past-state.ts';
export type { StateThen } from './state-then.ts';
