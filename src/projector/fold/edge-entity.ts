/** Stored edges of one caller: bytes, and what an event makes of them. */
import { EdgeList, type EdgeRecord, evolveEdgeOf, type TextPool } from '../../dependency-graph/index.ts';
import type { RecordedEvent } from '../../model/index.ts';

/** As stored. */
export interface CallerEdges {
  readonly edges: readonly EdgeRecord[];
}

export const storedEdges = (list: EdgeList): CallerEdges => ({ edges: [...list] });

/** The caller's edges after an event on one of them; undefined when none is left. */
export const withEvent = (
  list: EdgeList | undefined,
  edge: { readonly from: string; readonly to: string },
  event: RecordedEvent,
  pool: TextPool,
): EdgeList | undefined => {
  const before = list?.find(edge.to);
  const after = evolveEdgeOf(edge.from, edge.to, before, event);
  if (after === before) return list;
  const next = (list ?? EdgeList.EMPTY).with(edge.to, after, pool);
  return next.size === 0 ? undefined : next;
};
