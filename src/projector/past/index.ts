/** Earlier states, read from history index, images and log without a replay from the start. */
export type { PastGraph } from './past-graph.ts';
export { PastReader } from './past-reader.ts';
