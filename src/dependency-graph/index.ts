export { evolveEdge, evolveEdgeOf, isLearned } from './edge.ts';
export { type Blindness, EdgeKeeper, type HolderRow } from './edge-keeper.ts';
export { EdgeList } from './edge-list.ts';
export type { EdgeRef, ReportedUse, UseRate } from './edge-uses.ts';
export { DependencyGraph } from './graph.ts';
export { MAX_EDGES } from './limits.ts';
export { TextPool } from './text-pool.ts';
export type * from './types.ts';
export { isVisible } from './visibility.ts';
