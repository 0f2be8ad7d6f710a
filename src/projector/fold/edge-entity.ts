/** Stored edges of one caller, ascending by target. */
import { type EdgeRecord, evolveEdgeOf } from '../../dependency-graph/index.ts';
import type { RecordedEvent } from '../../model/index.ts';

export interface CallerEdges {
  readonly edges: readonly EdgeRecord[];
}

/** Edges of one caller; beyond it new ones are refused. */
export const MAX_EDGES = 10_000;

const NONE: readonly EdgeRecord[] = [];

/** Index of a target, or -(place to insert) - 1. */
const search = (edges: readonly EdgeRecord[], to: string): number => {
  let low = 0;
  let high = edges.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = edges[middle]?.to ?? '';
    if (found === to) return middle;
    if (found < to) low = middle + 1;
    else high = middle - 1;
  }
  return -low - 1;
};

export const edgeTo = (caller: CallerEdges | undefined, to: string): EdgeRecord | undefined =>
  caller?.edges[search(caller.edges, to)];

/** The caller's edges after an event on one of them; undefined when none is left. */
export const withEvent = (
  caller: CallerEdges | undefined,
  from: string,
  to: string,
  event: RecordedEvent,
): CallerEdges | undefined => {
  const before = caller?.edges ?? NONE;
  const at = search(before, to);
  const edge = evolveEdgeOf(from, to, before[at], event);
  if (edge === before[at]) return caller;
  const edges = before.slice();
  if (at >= 0) edges.splice(at, 1, ...(edge === undefined ? [] : [edge]));
  else if (edge !== undefined) edges.splice(-at - 1, 0, edge);
  return edges.length === 0 ? undefined : { edges };
};
