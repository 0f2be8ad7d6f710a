/** The door of the simulation: what `tendril bench` loads. */
export { runCompare } from './compare/index.ts';
export { simulate } from './simulate.ts';
