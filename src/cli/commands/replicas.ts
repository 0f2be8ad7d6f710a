/** `tendril replicas`: control planes on one log, how they stand, and whether their states are the same. */
import { CLIENT_OPTIONS, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { type Column, plural, render, table } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, reason: { type: 'string' } };

interface ReplicaItem {
  readonly id: string;
  readonly admin: string;
  readonly self: boolean;
  readonly keeper: boolean;
  readonly state: string;
  readonly offset?: number;
  readonly sidecars?: number;
  readonly version?: string;
  readonly silentMs?: number;
}

interface Comparison {
  readonly verdict: 'alone' | 'agree' | 'odd' | 'others' | 'tied';
  readonly offset?: number;
  readonly what?: string;
  readonly odd?: readonly string[];
  readonly from?: readonly string[];
  readonly with?: readonly string[];
}

const columns: readonly Column<ReplicaItem>[] = [
  { title: 'REPLICA', value: ({ id, self }) => `${id}${self ? ' (asked)' : ''}` },
  {
    title: 'STATE',
    value: ({ state, silentMs }) =>
      silentMs === undefined ? state : `${state} for ${Math.max(1, Math.round(silentMs / 1000))}s`,
  },
  { title: 'OFFSET', value: ({ offset }) => offset, number: true },
  { title: 'SIDECARS', value: ({ sidecars }) => sidecars, number: true },
  { title: 'KEEPER', value: ({ keeper }) => (keeper ? 'edges' : undefined) },
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'HTTP API', value: ({ admin }) => admin },
];

const sentence = ({ verdict, offset, what, odd = [], from = [], with: others = [] }: Comparison): string => {
  switch (verdict) {
    case 'alone':
      return 'nothing to compare with: no other replica told of an offset that this one knows';
    case 'agree':
      return `the same state as ${others.join(', ')} at offset ${offset}`;
    case 'others':
      return `the ${what} of ${odd.join(', ')} DIFFERS at offset ${offset}; there: tendril recover --data DIR --from URL`;
    case 'odd':
      return `its ${what} DIFFERS from that of ${from.join(', ')} at offset ${offset}; next: tendril recover --data DIR --from URL`;
    case 'tied':
      return `its ${what} DIFFERS from that of ${others.join(', ')} at offset ${offset}, and no larger half decides; next: tendril verify --data DIR`;
  }
};

export const replicas: Command = {
  usage: 'replicas [remove ID [--reason TEXT]]',
  options: OPTIONS,
  help: [
    'remove ID    take a replica that is gone for good out of the list',
    '--server URL, -o table|wide|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('replicas', argv, OPTIONS, { min: 0, max: 2, usage: replicas.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const [word, id] = args.positionals;
    if (word !== undefined) {
      if (word !== 'remove' || id === undefined)
        throw usageError(`replicas ${args.positionals.join(' ')}: unknown`, `usage: tendril ${replicas.usage}`);
      await client.request(`/v1/replicas/${encodeURIComponent(id)}`, {
        method: 'DELETE',
        query: { reason: text(args, 'reason') },
      });
      io.out(`replica ${id} is out of the list`);
      return 0;
    }
    const { body } = await client.request<{ replicas: readonly ReplicaItem[]; comparison: Comparison }>('/v1/replicas');
    io.out(
      render(
        format,
        body,
        () =>
          [
            table(body.replicas, columns, format),
            body.replicas.length === 1
              ? 'the only control plane on this log'
              : `${plural(body.replicas.length, 'replica')}: ${sentence(body.comparison)}`,
          ].join('\n'),
        () => body.replicas.map((item) => item.id),
      ),
    );
    return 0;
  },
};
