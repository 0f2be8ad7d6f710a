/** Edges as answers show them, and pages of those that a question wants. */
import type { EdgeView } from '../ports.ts';
import type { GraphMoment } from './moment.ts';

export const EDGE_STATES = ['active', 'quiet', 'expiring', 'expired', 'dangling', 'denied', 'pinned'] as const;
export const EDGE_ORIGINS = ['declared', 'learned', 'declared+learned'] as const;

/** Edges read at once when a filter may leave most of them out. */
const CHUNK = 5_000;
/** Edges around a focus that are walked through for one answer, whatever a filter leaves of them. */
const MAX_AROUND = 100_000;

export const targetOf = (edge: EdgeView): string => (edge.port === undefined ? edge.to : `${edge.to}:${edge.port}`);

/** `<from>|<to>[:port]`: name of an edge, and page mark. */
export const edgeKey = (edge: EdgeView): string => `${edge.from}|${targetOf(edge)}`;

const TIMES = ['firstSeen', 'lastSeen', 'lastUsed', 'expiresAt'] as const;

/** With times as RFC 3339. */
export const edgeRow = (edge: EdgeView): Readonly<Record<string, unknown>> => {
  const row: Record<string, unknown> = { ...edge };
  for (const name of TIMES) {
    const ms = edge[name];
    if (ms !== undefined) row[name] = new Date(ms).toISOString();
  }
  return row;
};

export interface EdgeFilter {
  readonly focus?: string | undefined;
  readonly depth?: number | undefined;
  readonly state?: string | undefined;
  readonly origin?: string | undefined;
  readonly fromNamespace?: string | undefined;
  readonly toNamespace?: string | undefined;
}

const namespaceOf = (name: string): string => name.slice(name.lastIndexOf('.') + 1);

const passes = (edge: EdgeView, { origin, fromNamespace, toNamespace }: EdgeFilter): boolean =>
  (origin === undefined || edge.origin === origin) &&
  (fromNamespace === undefined || namespaceOf(edge.from) === fromNamespace) &&
  (toNamespace === undefined || namespaceOf(edge.to) === toNamespace);

export interface EdgePage {
  readonly edges: readonly EdgeView[];
  /** Mark of the last edge, when there are more. */
  readonly next: string | undefined;
}

/**
 * Edges that pass, ascending by caller and callee, behind `after`. Around a focus they come of one walk.
 * @throws TendrilError `GRAPH_TOO_LARGE` when there are more than `MAX_AROUND` around the focus
 */
export const edgePage = async (
  moment: GraphMoment,
  filter: EdgeFilter,
  limit: number,
  after?: string,
): Promise<EdgePage> => {
  const { focus, depth, state } = filter;
  const narrows = filter.origin !== undefined || filter.fromNamespace !== undefined || filter.toNamespace !== undefined;
  const size = focus !== undefined ? MAX_AROUND : narrows ? Math.max(limit + 1, CHUNK) : limit + 1;
  const found: EdgeView[] = [];
  for (let mark = after; ; ) {
    const chunk = await moment.edges({
      limit: size,
      ...(focus === undefined ? {} : { focus, atMost: MAX_AROUND }),
      ...(depth === undefined ? {} : { depth }),
      ...(state === undefined ? {} : { state }),
      ...(mark === undefined ? {} : { after: mark }),
    });
    for (const edge of chunk) if (passes(edge, filter)) found.push(edge);
    const last = chunk.at(-1);
    if (focus !== undefined || found.length > limit || chunk.length < size || last === undefined) break;
    mark = edgeKey(last);
    // A search through the whole mesh lets others have their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const edges = found.slice(0, limit);
  const last = edges.at(-1);
  return { edges, next: found.length > limit && last !== undefined ? edgeKey(last) : undefined };
};

/** All edges that pass; more than `most` are left out, and `more` says so. */
export const allEdges = async (
  moment: GraphMoment,
  filter: EdgeFilter,
  most: number,
): Promise<{ readonly edges: readonly EdgeView[]; readonly more: boolean }> => {
  const { edges, next } = await edgePage(moment, filter, most);
  return { edges, more: next !== undefined };
};
