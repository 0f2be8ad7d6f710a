/** What came, went and changed between two moments of the graph. */
import type { Operation } from 'fast-json-patch';
import type { EdgeView } from '../ports.ts';
import { edgeKey, edgeRow } from './edge-rows.ts';
import { graphDocument, graphPatch } from './graph-patch.ts';

type Row = Readonly<Record<string, unknown>>;

export interface GraphDiff {
  readonly came: readonly Row[];
  readonly went: readonly Row[];
  readonly changed: readonly { readonly before: Row; readonly after: Row }[];
  /** RFC 6902, from the document `{edges: {"<from>|<to>[:port]": edge}}` of then to that of later. */
  readonly patch: readonly Operation[];
}

/** Use alone is no change: times and rates are left out. */
const mark = ({ origin, state, evidence, declaredBy }: Row): unknown => [origin, state, evidence, declaredBy];

export const diffOf = (before: readonly EdgeView[], after: readonly EdgeView[]): GraphDiff => {
  const then = new Map(before.map((edge) => [edgeKey(edge), edge]));
  const later = new Map(after.map((edge) => [edgeKey(edge), edge]));
  const patch = graphPatch(graphDocument(before), graphDocument(after), mark);
  const changed = patch.flatMap(({ op, path }) => {
    const key = path.slice('/edges/'.length);
    const [one, other] = [then.get(key), later.get(key)];
    return op === 'replace' && one !== undefined && other !== undefined
      ? [{ before: edgeRow(one), after: edgeRow(other) }]
      : [];
  });
  return {
    came: after.filter((edge) => !then.has(edgeKey(edge))).map(edgeRow),
    went: before.filter((edge) => !later.has(edgeKey(edge))).map(edgeRow),
    changed,
    patch,
  };
};
