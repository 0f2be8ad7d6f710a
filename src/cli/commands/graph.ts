/** `tendril graph [SERVICE]`: who calls whom, and why Tendril thinks so. */
import { CLIENT_OPTIONS, formatOf, integer, type Options, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, plural, render, table } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, depth: { type: 'string' }, state: { type: 'string' } };

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

const calleeOf = (edge: EdgeItem): string => (edge.port === undefined ? edge.to : `${edge.to}:${edge.port}`);

export const graph: Command = {
  name: 'graph',
  summary: 'show the dependency graph',
  usage: 'graph [SERVICE.NAMESPACE] [--depth N] [--state S]',
  options: OPTIONS,
  help: [
    '--depth N    how far from the service (default 1)',
    '--state S    active, dangling, denied, pinned',
    '--server URL, -o table|wide|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('graph', argv, OPTIONS, { min: 0, max: 1, usage: graph.usage });
    const format = formatOf(args);
    const [focus] = args.positionals;
    const client = clientFor(args, io);
    const edges: EdgeItem[] = [];
    for await (const edge of client.pages<EdgeItem>('/v1/graph', 'edges', {
      focus,
      depth: integer(args, 'depth', 1, 10),
      state: text(args, 'state'),
    }))
      edges.push(edge);
    io.out(
      render(
        format,
        { edges },
        () =>
          edges.length === 0
            ? `no edges${focus === undefined ? ' yet: they are learned from what sidecars ask for, or declared by Dependency documents' : ` at ${focus}`}`
            : [
                table(
                  edges,
                  [
                    { title: 'CALLER', value: (edge) => edge.from },
                    { title: 'CALLEE', value: calleeOf },
                    { title: 'ORIGIN', value: (edge) => edge.origin },
                    { title: 'STATE', value: (edge) => edge.state },
                    { title: 'EVIDENCE', value: (edge) => edge.evidence.join(',') || undefined },
                    {
                      title: 'LAST SEEN',
                      value: (edge) => (edge.lastSeen === undefined ? undefined : ago(edge.lastSeen, io.now())),
                    },
                    { title: 'EVENT', value: (edge) => edge.firstOffset, number: true },
                    { title: 'DECLARED BY', value: (edge) => edge.declaredBy.join(',') || undefined, wide: true },
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
