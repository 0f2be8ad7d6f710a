/**
 * The graph as a document, `{ edges: { "<from>|<to>[:port]": edge } }`, and what makes one of another as RFC 6902 operations.
 *
 * An edge is added, replaced or removed as a whole: a patch fits whoever has the same edges, whatever they know of each. The document of
 * a stream has no rates, which change all the time and are not of the log.
 */
import jsonPatch, { type Operation } from 'fast-json-patch';
import type { EdgeView } from '../ports.ts';
import { edgeKey, edgeRow } from './edge-rows.ts';

export type EdgeRow = Readonly<Record<string, unknown>>;

export interface GraphDocument {
  readonly edges: Readonly<Record<string, EdgeRow>>;
}

const lasting = ({ rate: _rate, errorRate: _errorRate, ...edge }: EdgeView): EdgeView => edge;

export const graphDocument = (edges: readonly EdgeView[]): GraphDocument => ({
  edges: Object.fromEntries(edges.map((edge) => [edgeKey(edge), edgeRow(lasting(edge))])),
});

/** @param mark what makes two rows of an edge differ; default: all of it */
export const graphPatch = (
  before: GraphDocument,
  after: GraphDocument,
  mark: (row: EdgeRow) => unknown = (row) => row,
): readonly Operation[] => {
  const marks = ({ edges }: GraphDocument): Record<string, string> =>
    Object.fromEntries(Object.entries(edges).map(([key, row]) => [key, JSON.stringify(mark(row))]));
  return jsonPatch.compare(marks(before), marks(after)).map((operation): Operation => {
    const key = jsonPatch.unescapePathComponent(operation.path.slice(1));
    const path = `/edges${operation.path}`;
    if (operation.op === 'remove') return { op: 'remove', path };
    return { op: operation.op === 'replace' ? 'replace' : 'add', path, value: after.edges[key] };
  });
};
