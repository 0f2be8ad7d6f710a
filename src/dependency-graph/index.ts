export { evolveEdge, evolveEdgeOf, isLearned } from './edge.ts';
export { edgeKey } from './edge-query.ts';
export { DependencyGraph } from './graph.ts';
export type * from './types.ts';
export { isVisible } from './visibility.ts';
