/** `tendril who SERVICE|DOCUMENT`: which sidecars hold it, and which callers would. */
import { CLIENT_OPTIONS, flag, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { type AdminClient, clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, plural, printable, render, table } from '../output.ts';
import { type EdgeItem, edgeName, lastUseOf, MAX_LINES } from './graph-edges.ts';
import { INCOMPLETE } from './sidecar.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, all: { type: 'boolean' }, at: { type: 'string' } };

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
  /** With `--at`. */
  readonly at?: { readonly offset: number; readonly time: string };
  readonly registered: boolean;
  readonly dependents: readonly string[];
  readonly total: number;
  readonly edges: readonly EdgeItem[];
}

interface Answer {
  readonly of: string;
  /** Not with `--at`: nothing records which sidecars were connected. */
  readonly holders?: Holders;
  /** Of services only. */
  readonly callers?: Dependents;
}

const PAGE = 1_000;

const TARGET = /^([^./:]+)(?:\.([^./:]+))?(?::([0-9]+))?$/;

const serviceAnswer = async (client: AdminClient, word: string, at: string | undefined): Promise<Answer> => {
  const [, name = '', namespace = 'default', port] = TARGET.exec(word) ?? [];
  if (name === '')
    throw usageError(
      `"${word}" names neither a service nor a document; allowed: SERVICE.NAMESPACE[:PORT] or KIND/NAMESPACE/NAME`,
      'tendril get services',
    );
  const path = `/v1/services/${namespace}/${name}`;
  const holders =
    at === undefined ? await client.request<Holders>(`${path}/holders`, { query: { port, limit: PAGE } }) : undefined;
  const { body } = await client.request<Dependents>(`${path}/dependents`, { query: { limit: PAGE, at } });
  const edges = body.edges.filter(
    (edge) => port === undefined || edge.port === undefined || edge.port === Number(port),
  );
  return {
    of: `${name}.${namespace}${port === undefined ? '' : `:${port}`}`,
    ...(holders === undefined ? {} : { holders: holders.body }),
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

const edgeLines = (callers: Dependents | undefined, now: number): readonly string[] =>
  (callers?.edges ?? []).map((edge, index) => {
    const used = lastUseOf(edge);
    const line = [
      edgeName(edge),
      edge.origin,
      edge.state,
      ...(used === undefined ? [] : [`last used ${ago(used, now)}`]),
    ].join('  ');
    return `${(index === 0 ? 'CALLED BY' : '').padEnd(11)}${line}`;
  });

/** The first of some lines, and how many are left. */
const some = (lines: readonly string[], room: number): readonly string[] =>
  lines.length <= room ? lines : [...lines.slice(0, room - 1), `  … ${lines.length - room + 1} more; all: --all`];

const unregistered = (callers: Dependents | undefined): string =>
  callers?.registered === false ? '; it is not registered' : '';

/** With `--at`: what the log tells. */
const thenOf = ({ of, callers }: Answer, all: boolean, now: number): string => {
  const at = callers?.at;
  const when = at === undefined ? '' : ` at ${at.offset} (${at.time})`;
  return [
    `${of} was called by ${plural(callers?.total ?? 0, 'service')}${when}${unregistered(callers).replace('is not', 'was not')}`,
    ...some(edgeLines(callers, now), all ? Number.POSITIVE_INFINITY : MAX_LINES - 2),
    'next: tendril proxy ID --at WHEN tells what one sidecar held; nothing records who was connected',
  ]
    .map(printable)
    .join('\n');
};

const textOf = (answer: Answer, all: boolean, now: number): string => {
  const { of, holders, callers } = answer;
  if (holders === undefined) return thenOf(answer, all, now);
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
  const edges = edgeLines(callers, now);
  const held = isDependency
    ? `${of} (scope ${holders.scope}) concerns ${plural(holders.total, 'sidecar')}`
    : `${of} is held by ${plural(holders.total, 'sidecar')}`;
  const called = callers === undefined ? '' : `, called by ${plural(callers.total, 'service')}`;
  const [first] = holders.holders;
  const next = first === undefined ? 'tendril proxies' : `tendril proxy ${first.id}`;
  // Head and advice, and at most half of the rest for each part.
  const room = all ? Number.POSITIVE_INFINITY : (MAX_LINES - 2) / (edges.length === 0 ? 1 : 2);
  return [
    `${held}${called}${unregistered(callers)}`,
    ...(holders.complete === false ? [INCOMPLETE] : []),
    ...(holders.total === 0 ? [] : some(holderTable, room)),
    ...some(edges, room),
    `next: ${next}`,
  ]
    .map(printable)
    .join('\n');
};

export const who: Command = {
  usage: 'who SERVICE.NAMESPACE[:PORT] [--at WHEN] | KIND/NAMESPACE/NAME',
  options: OPTIONS,
  help: [
    'SERVICE.NAMESPACE[:PORT]  sidecars that hold resources of it, and callers with an edge to it',
    'KIND/NAMESPACE/NAME       sidecars that hold something the document shapes; of a Dependency, those of its callers',
    '--at WHEN                 the callers of then: an offset, a time, or how long ago (10m, 2h, 3d); of a service only',
    `--all                     all of it, not the first ${MAX_LINES} lines`,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril who cart.shop:7070', 'tendril who cart.shop --at 2h', 'tendril who Route/shop/cart'],
  run: async (argv, io) => {
    const args = parse('who', argv, OPTIONS, { min: 1, max: 1, usage: who.usage });
    const format = formatOf(args);
    const [word = ''] = args.positionals;
    const at = text(args, 'at');
    if (at !== undefined && word.includes('/'))
      throw usageError(
        `who held ${word} then is not recorded: --at tells the callers of a service`,
        `tendril history ${word}`,
      );
    const client = clientFor(args, io);
    const answer = word.includes('/') ? await documentAnswer(client, word) : await serviceAnswer(client, word, at);
    io.out(
      render(
        format,
        answer,
        () => textOf(answer, flag(args, 'all') || format === 'wide', io.now()),
        () => answer.holders?.holders.map(({ id }) => id) ?? answer.callers?.dependents ?? [],
      ),
    );
    return 0;
  },
};
