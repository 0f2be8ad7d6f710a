export { evolveEdge, evolveEdgeOf, isLearned } from './edge.ts';
export { DependencyGraph } from './graph.ts';
export type * from './types.ts';
export { isVisible } from './visibility.ts';
