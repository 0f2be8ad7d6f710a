import type { GraphStreamCounters } from '../ports.ts';

/** Counters of no stream so far. */
export const graphStreamCounters = (): GraphStreamCounters => ({
  edges: 0,
  snapshots: 0,
  patches: 0,
  slow: 0,
  refused: 0,
});
