/** `tendril graph [SERVICE]`: who calls whom, and why Tendril thinks so. */
import { CLIENT_OPTIONS, formatOf, integer, type Options, oneOf, parse, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, plural, render, table } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, depth: { type: 'string' }, state: { type: 'string' } };

const STATES = ['active', 'quiet', 'expiring', 'expired', 'dangling', 'denied', 'pinned'] as const;

interface EdgeItem {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly origin: string;
  readonly state: string;
  readonly evidence: readonly string[];
  readonly declaredBy: readonly string[];
  readonly firstOffset?: number;
  readonly lastSeen?: string;
}

interface NodeItem {
  readonly name: string;
  readonly registered: boolean;
}

const calleeOf = (edge: EdgeItem): string => (edge.port === undefined ? edge.to : `${edge.to}:${edge.port}`);

/** What sidecars did, and the documents and people that say so. */
const evidenceOf = (edge: EdgeItem): string | undefined =>
  [...edge.evidence, ...edge.declaredBy].join(',') || undefined;

const nothing = (focus: string | undefined, nodes: readonly NodeItem[]): string => {
  if (focus === undefined)
    return 'no edges yet: they are learned from what sidecars ask for, or declared by Dependency documents; next: tendril proxies';
  return nodes.some(({ name, registered }) => name === focus && registered)
    ? `no edges at ${focus}; next: tendril graph`
    : `no edges at ${focus}, and no service of that name; next: tendril get services`;
};

export const graph: Command = {
  usage: 'graph [SERVICE.NAMESPACE] [--depth N] [--state S]',
  options: OPTIONS,
  help: [
    '--depth N    how far from the service (default 1)',
    `--state S    ${STATES.join(', ')}`,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril graph web.shop --depth 2', 'tendril graph --state dangling'],
  run: async (argv, io) => {
    const args = parse('graph', argv, OPTIONS, { min: 0, max: 1, usage: graph.usage });
    const format = formatOf(args);
    const [word] = args.positionals;
    const focus = word === undefined || word.includes('.') ? word : `${word}.default`;
    const depth = integer(args, 'depth', 1, 10);
    if (depth !== undefined && focus === undefined)
      throw usageError('--depth needs a service to start from', 'tendril graph SERVICE.NAMESPACE --depth 2');
    const query = { focus, depth, state: oneOf(args, 'state', STATES) };
    const client = clientFor(args, io);
    const edges = await client.all<EdgeItem>('/v1/graph', 'edges', query);
    const nodes = edges.length > 0 ? [] : await client.all<NodeItem>('/v1/graph', 'nodes', { focus });
    io.out(
      render(
        format,
        { edges },
        () =>
          edges.length === 0
            ? nothing(focus, nodes)
            : [
                table(
                  edges,
                  [
                    { title: 'CALLER', value: (edge) => edge.from },
                    { title: 'CALLEE', value: calleeOf },
                    { title: 'ORIGIN', value: (edge) => edge.origin },
                    { title: 'STATE', value: (edge) => edge.state },
                    { title: 'EVIDENCE', value: evidenceOf },
                    { title: 'FIRST EVENT', value: (edge) => edge.firstOffset, number: true },
                    {
                      title: 'LAST SEEN',
                      value: (edge) => (edge.lastSeen === undefined ? undefined : ago(edge.lastSeen, io.now())),
                    },
                  ],
                  format,
                ),
                plural(edges.length, 'edge'),
              ].join('\n'),
        () => edges.map((edge) => `${edge.from}->${calleeOf(edge)}`),
      ),
    );
    return 0;
  },
};
