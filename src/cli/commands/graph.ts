/** `tendril graph [SERVICE]`: who calls whom, and why Tendril thinks so; and what else can be asked of the graph. */
import { flag, type Options, oneOf, parse } from '../arguments.ts';
import { type AdminClient, clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { plural, render, table } from '../output.ts';
import { graphAudit } from './graph-audit.ts';
import { graphDiff } from './graph-diff.ts';
import {
  calleeOf,
  EDGE_STATES,
  type EdgeItem,
  edgeColumns,
  focusOf,
  GRAPH_HELP,
  GRAPH_OPTIONS,
  graphFormat,
  graphQuery,
  MAX_LINES,
} from './graph-edges.ts';
import { graphExport } from './graph-export.ts';

const OPTIONS: Options = { ...GRAPH_OPTIONS, state: { type: 'string' } };

/** First words that are no service; a service of that name is written with its namespace. */
const QUESTIONS: Readonly<Record<string, Command>> = { audit: graphAudit, diff: graphDiff, export: graphExport };

interface NodeItem {
  readonly name: string;
  readonly registered: boolean;
}

interface Page {
  readonly edges: readonly EdgeItem[];
  readonly nodes: readonly NodeItem[];
  readonly next?: string;
}

const nothing = (focus: string | undefined, nodes: readonly NodeItem[]): string => {
  if (focus === undefined)
    return 'no edges yet: they are learned from what sidecars ask for, or declared by Dependency documents; next: tendril proxies';
  return nodes.some(({ name, registered }) => name === focus && registered)
    ? `no edges at ${focus}; next: tendril graph`
    : `no edges at ${focus}, and no service of that name; next: tendril get services`;
};

/** All edges, or the first page of them where the rest is not shown. */
const read = async (
  client: AdminClient,
  query: Readonly<Record<string, string | number | undefined>>,
  whole: boolean,
): Promise<Page> => {
  const { body } = await client.request<Page>('/v1/graph', { query });
  if (!whole || body.next === undefined) return body;
  return { nodes: body.nodes, edges: await client.all<EdgeItem>('/v1/graph', 'edges', { ...query, limit: 10_000 }) };
};

export const graph: Command = {
  usage: 'graph [SERVICE.NAMESPACE] [--depth N] [--state S] [--at WHEN] | graph audit|diff|export …',
  options: OPTIONS,
  help: [
    `--state S    ${EDGE_STATES.join(', ')}`,
    ...GRAPH_HELP,
    '',
    'graph audit [SERVICE.NAMESPACE]    what documents and use say differently',
    'graph diff --from WHEN [--to WHEN]   what came, went and changed',
    'graph export [SERVICE.NAMESPACE] --as dot|json|dependency [--out FILE]',
  ],
  examples: [
    'tendril graph web.shop --depth 2',
    'tendril graph --state dangling',
    'tendril graph web.shop --at 2026-05-01T12:00:00Z',
    'tendril graph export --as dependency | tendril apply -f -',
    'tendril graph audit --exit-code',
    'tendril graph diff --from 812',
  ],
  run: async (argv, io) => {
    const question = QUESTIONS[argv[0] ?? ''];
    if (question !== undefined) return question.run(argv.slice(1), io);
    const args = parse('graph', argv, OPTIONS, { min: 0, max: 1, usage: graph.usage });
    const format = graphFormat(args);
    const focus = focusOf(args.positionals[0]);
    const query = { ...graphQuery(args, focus), state: oneOf(args, 'state', EDGE_STATES) };
    const isTable = format === 'table' || format === 'wide';
    const all = flag(args, 'all') || !isTable;
    const { edges, nodes, next } = await read(clientFor(args, io), query, all);
    const now = io.now();
    io.out(
      render(
        format,
        { edges },
        () => {
          if (edges.length === 0) return nothing(focus, nodes);
          // The head and the last line count, too.
          const room = MAX_LINES - 2;
          const shown = all || edges.length <= room ? edges : edges.slice(0, room);
          const left =
            shown.length === edges.length
              ? ''
              : ` of ${edges.length}${next === undefined ? '' : '+'}; all: tendril graph${focus === undefined ? '' : ` ${focus}`} --all`;
          const count = left === '' ? plural(edges.length, 'edge') : `${shown.length} edges${left}`;
          return [table(shown, edgeColumns(shown, now), format), count].join('\n');
        },
        () => edges.map((edge) => `${edge.from}->${calleeOf(edge)}`),
      ),
    );
    return 0;
  },
};
