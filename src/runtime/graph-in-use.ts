/** The graph as the HTTP API asks for it: ages as of now, and how much each edge is used. */
import type { EdgeView as AdminEdge, GraphPort } from '../admin/index.ts';
import type { DependencyGraph, EdgeView } from '../dependency-graph/index.ts';
import type { EdgeKeeping } from './edge-keeping.ts';

/** Two digits are all that an average over a minute is worth. */
const rounded = (value: number): number => Number(value.toPrecision(2));

export const graphInUse = (
  graph: Pick<DependencyGraph, 'edges' | 'edgesOf'>,
  keeping: Pick<EdgeKeeping, 'rate'>,
  now: () => number,
): GraphPort => {
  const inUse = (edge: EdgeView): AdminEdge => {
    const rate = edge.port === undefined ? undefined : keeping.rate(edge.from, `${edge.to}:${edge.port}`);
    if (rate === undefined) return edge;
    return {
      ...edge,
      lastUsed: Math.max(rate.lastMs, edge.lastUsed ?? 0),
      rate: rounded(rate.perSecond),
      errorRate: rounded(rate.errors),
    };
  };
  return {
    edges: ({ asLogged = false, ...query }) => {
      const edges = graph.edges({ ...query, now: query.now ?? now() });
      return asLogged ? edges : edges.map(inUse);
    },
    edgesOf: (caller, at) => graph.edgesOf(caller, at ?? now()).map(inUse),
  };
};
