/** `tendril who SERVICE|DOCUMENT`: which sidecars hold it, and which callers would. */
import { CLIENT_OPTIONS, flag, formatOf, type Options, parse, usageError } from '../arguments.ts';
import { type AdminClient, clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, plural, printable, render, table } from '../output.ts';
import { type EdgeItem, edgeName, lastUseOf, MAX_LINES } from './graph-edges.ts';
import { INCOMPLETE } from './sidecar.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, all: { type: 'boolean' } };

interface Holder {
  readonly id: string;
  readonly service: string;
  readonly ports: readonly string[];
  readonly resources: number;
  readonly refused: number;
}

interface Holders {
  readonly holders: readonly Holder[];
  readonly total: number;
  /** Not all workers answered: there may be more. */
  readonly complete?: false;
  readonly scope?: string;
}

interface Dependents {
  readonly registered: boolean;
  readonly dependents: readonly string[];
  readonly total: number;
  readonly edges: readonly EdgeItem[];
}

interface Answer {
  readonly of: string;
  readonly holders: Holders;
  /** Of services only. */
  readonly callers?: Dependents;
}

const PAGE = 1_000;

const TARGET = /^([^./:]+)(?:\.([^./:]+))?(?::([0-9]+))?$/;

const serviceAnswer = async (client: AdminClient, word: string): Promise<Answer> => {
  const [, name = '', namespace = 'default', port] = TARGET.exec(word) ?? [];
  if (name === '')
    throw usageError(
      `"${word}" names neither a service nor a document; allowed: SERVICE.NAMESPACE[:PORT] or KIND/NAMESPACE/NAME`,
      'tendril get services',
    );
  const path = `/v1/services/${namespace}/${name}`;
  const holders = await client.request<Holders>(`${path}/holders`, { query: { port, limit: PAGE } });
  const { body } = await client.request<Dependents>(`${path}/dependents`, { query: { limit: PAGE } });
  const edges = body.edges.filter(
    (edge) => port === undefined || edge.port === undefined || edge.port === Number(port),
  );
  return {
    of: `${name}.${namespace}${port === undefined ? '' : `:${port}`}`,
    holders: holders.body,
    callers: { ...body, edges },
  };
};

const documentAnswer = async (client: AdminClient, word: string): Promise<Answer> => {
  const [kind = '', namespace = '', name = '', more] = word.split('/');
  if (name === '' || more !== undefined)
    throw usageError(`"${word}" names no document; allowed: KIND/NAMESPACE/NAME`, 'tendril get Route -o name');
  const parts = [kind, namespace, name].map(encodeURIComponent).join('/');
  const { body } = await client.request<Holders>(`/v1/docs/${parts}/holders`, {
    query: { limit: PAGE },
    remedies: { DOCUMENT_UNKNOWN: `tendril get ${kind}` },
  });
  return { of: word, holders: body };
};

/** The first of some lines, and how many are left. */
const some = (lines: readonly string[], room: number): readonly string[] =>
  lines.length <= room ? lines : [...lines.slice(0, room - 1), `  … ${lines.length - room + 1} more; all: --all`];

const textOf = ({ of, holders, callers }: Answer, all: boolean, now: number): string => {
  const isDependency = of.startsWith('Dependency/');
  const holderTable = table(holders.holders, [
    { title: 'HELD BY', value: ({ id }) => id },
    { title: 'SERVICE', value: ({ service }) => service },
    { title: 'RESOURCES', value: ({ resources }) => resources, number: true },
    ...(holders.holders.some(({ refused }) => refused > 0)
      ? [{ title: 'REFUSED', value: ({ refused }: Holder) => refused, number: true }]
      : []),
    ...(isDependency ? [] : [{ title: 'PORTS', value: ({ ports }: Holder) => ports.join(',') }]),
  ]).split('\n');
  const edges = (callers?.edges ?? []).map((edge) => {
    const used = lastUseOf(edge);
    return [
      edgeName(edge),
      edge.origin,
      edge.state,
      ...(used === undefined ? [] : [`last used ${ago(used, now)}`]),
    ].join('  ');
  });
  const held = isDependency
    ? `${of} (scope ${holders.scope}) concerns ${plural(holders.total, 'sidecar')}`
    : `${of} is held by ${plural(holders.total, 'sidecar')}`;
  const called = callers === undefined ? '' : `, called by ${plural(callers.total, 'service')}`;
  const unknown = callers?.registered === false ? '; it is not registered' : '';
  const [first] = holders.holders;
  const next = first === undefined ? 'tendril proxies' : `tendril proxy ${first.id}`;
  // Head and advice, and at most half of the rest for each part.
  const room = all ? Number.POSITIVE_INFINITY : (MAX_LINES - 2) / (edges.length === 0 ? 1 : 2);
  return [
    `${held}${called}${unknown}`,
    ...(holders.complete === false ? [INCOMPLETE] : []),
    ...(holders.total === 0 ? [] : some(holderTable, room)),
    ...some(
      edges.map((line, index) => `${(index === 0 ? 'CALLED BY' : '').padEnd(11)}${line}`),
      room,
    ),
    `next: ${next}`,
  ]
    .map(printable)
    .join('\n');
};

export const who: Command = {
  usage: 'who SERVICE.NAMESPACE[:PORT] | KIND/NAMESPACE/NAME',
  options: OPTIONS,
  help: [
    'SERVICE.NAMESPACE[:PORT]  sidecars that hold resources of it, and callers with an edge to it',
    'KIND/NAMESPACE/NAME       sidecars that hold something the document shapes; of a Dependency, those of its callers',
    `--all                     all of it, not the first ${MAX_LINES} lines`,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril who cart.shop:7070', 'tendril who Route/shop/cart'],
  run: async (argv, io) => {
    const args = parse('who', argv, OPTIONS, { min: 1, max: 1, usage: who.usage });
    const format = formatOf(args);
    const [word = ''] = args.positionals;
    const client = clientFor(args, io);
    const answer = word.includes('/') ? await documentAnswer(client, word) : await serviceAnswer(client, word);
    io.out(
      render(
        format,
        answer,
        () => textOf(answer, flag(args, 'all') || format === 'wide', io.now()),
        () => answer.holders.holders.map(({ id }) => id),
      ),
    );
    return 0;
  },
};
