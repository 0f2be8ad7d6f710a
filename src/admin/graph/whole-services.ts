/**
 * Edges without a port stand for every port of the callee: a document that names `cart.shop` declares what sidecars are seen to use as
 * `cart.shop:8080`. So what is used and what is declared are compared by service where a declaration names no port.
 */
import type { EdgeView } from '../ports.ts';

const pairOf = (edge: EdgeView): string => `${edge.from}|${edge.to}`;

/** True of an edge whose caller declares the callee as a whole. */
export const declaredAsWhole = (edges: Iterable<EdgeView>): ((edge: EdgeView) => boolean) => {
  const pairs = new Set<string>();
  for (const edge of edges)
    if (edge.port === undefined && edge.origin !== 'learned' && edge.state !== 'denied') pairs.add(pairOf(edge));
  return (edge) => pairs.has(pairOf(edge));
};

/** Last use of an edge, ms, of one without a port that of any port; undefined: there is no evidence of use. */
export const lastUses = (edges: Iterable<EdgeView>): ((edge: EdgeView) => number | undefined) => {
  const uses = new Map<string, number>();
  const own = (edge: EdgeView): number | undefined =>
    edge.evidence.length === 0 ? undefined : (edge.lastUsed ?? edge.lastSeen ?? 0);
  for (const edge of edges) {
    const use = own(edge);
    if (use !== undefined) uses.set(pairOf(edge), Math.max(use, uses.get(pairOf(edge)) ?? 0));
  }
  return (edge) => (edge.port === undefined ? uses.get(pairOf(edge)) : own(edge));
};
