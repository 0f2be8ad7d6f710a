import { TendrilError } from '../model/index.ts';
import type { EdgeQuery, EdgeView } from './types.ts';

/** What a query reads of the graph. */
interface EdgeReader {
  callers(): Iterable<string>;
  edgesOf(caller: string): readonly EdgeView[];
  /** Callers that refer to a service. */
  callersOf(service: string): Iterable<string>;
}

/** Edges of callers that one walk keeps, lest it derive a caller again for each of its callees. */
const MAX_HELD = 100_000;

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const targetOf = (edge: EdgeView): string => (edge.port === undefined ? edge.to : `${edge.to}:${edge.port}`);

/** `<from>|<to>[:port]`: name of an edge, and page mark. */
export const edgeKey = (edge: EdgeView): string => `${edge.from}|${targetOf(edge)}`;

/** Order of edges: by caller, then by target. */
const compareEdges = (a: EdgeView, b: EdgeView): number =>
  compareText(a.from, b.from) || compareText(targetOf(a), targetOf(b));

/** Derives each caller once, as long as what is held stays within `MAX_HELD`. */
const derivingOnce = (reader: EdgeReader): EdgeReader['edgesOf'] => {
  const held = new Map<string, readonly EdgeView[]>();
  let count = 0;
  return (caller) => {
    const known = held.get(caller);
    if (known !== undefined) return known;
    const edges = reader.edgesOf(caller);
    if (count + edges.length <= MAX_HELD) {
      held.set(caller, edges);
      count += edges.length;
    }
    return edges;
  };
};

/**
 * Edges that can be reached from `focus` in `depth` steps, against or along their direction.
 * @throws TendrilError `GRAPH_TOO_LARGE` as soon as there are more than `atMost`
 */
const around = (focus: string, depth: number, atMost: number, reader: EdgeReader): EdgeView[] => {
  const found = new Map<string, EdgeView>();
  const edgesOf = derivingOnce(reader);
  const seen = new Set([focus]);
  let ring = [focus];
  for (let step = 0; step < depth && ring.length > 0; step += 1) {
    const next = new Set<string>();
    const take = (name: string, edge: EdgeView): void => {
      found.set(edgeKey(edge), edge);
      next.add(edge.from === name ? edge.to : edge.from);
      if (found.size > atMost)
        throw new TendrilError(
          'GRAPH_TOO_LARGE',
          `there are more than ${atMost} edges within ${depth} steps of ${focus}`,
          {
            remedy: 'ask for a smaller depth',
          },
        );
    };
    for (const name of ring) {
      for (const edge of edgesOf(name)) take(name, edge);
      for (const caller of reader.callersOf(name))
        for (const edge of edgesOf(caller)) if (edge.to === name) take(name, edge);
    }
    ring = [...next].filter((name) => !seen.has(name));
    for (const name of ring) seen.add(name);
  }
  return [...found.values()].sort(compareEdges);
};

/** Edges of all callers in order; callers before `first` are not derived. */
function* inOrder(reader: EdgeReader, first: string | undefined): Iterable<EdgeView> {
  for (const caller of [...reader.callers()].sort()) {
    if (first === undefined || caller >= first) yield* reader.edgesOf(caller);
  }
}

export const queryEdges = (query: EdgeQuery, reader: EdgeReader): EdgeView[] => {
  const { focus, depth = 1, state, limit = Number.POSITIVE_INFINITY, atMost = Number.POSITIVE_INFINITY, after } = query;
  const bar = after?.indexOf('|') ?? -1;
  const from = bar < 0 ? undefined : after?.slice(0, bar);
  const to = after?.slice(bar + 1) ?? '';
  const isPast = (edge: EdgeView): boolean =>
    from === undefined || edge.from > from || (edge.from === from && targetOf(edge) > to);
  const page: EdgeView[] = [];
  for (const edge of focus === undefined ? inOrder(reader, from) : around(focus, depth, atMost, reader)) {
    if (page.length >= limit) break;
    if ((state === undefined || edge.state === state) && isPast(edge)) page.push(edge);
  }
  return page;
};
