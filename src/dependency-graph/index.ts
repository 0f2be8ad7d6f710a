export { evolveEdge, evolveEdgeOf, isLearned } from './edge.ts';
export {
  type Blindness,
  EdgeKeeper,
  type EdgeRef,
  type HolderRow,
  type ReportedUse,
  type UseRate,
} from './edge-keeper.ts';
export { EdgeList } from './edge-list.ts';
export { DependencyGraph } from './graph.ts';
export { MAX_EDGES } from './limits.ts';
export { TextPool } from './text-pool.ts';
export type * from './types.ts';
export { isVisible } from './visibility.ts';
