/** `tendril why PROXY RESOURCE`: resource <- documents and events <- edge <- node, and when it was sent and acknowledged. */
import { AT_HELP, CLIENT_OPTIONS, formatOf, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, bytes, printable, render, within } from '../output.ts';
import type { EdgeItem } from './graph-edges.ts';
import { findSidecar, sidecarPath, stateWord } from './sidecar.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, at: { type: 'string' } };

interface Source {
  readonly of: string;
  readonly offset: number;
  readonly source: string;
  readonly recordedAt: string;
  readonly reason?: string;
  readonly file?: string;
  readonly line?: number;
}

interface Edge extends EdgeItem {
  readonly documents?: readonly Source[];
}

interface Answer {
  readonly proxy: string;
  readonly type: string;
  readonly name: string;
  readonly because: string;
  readonly edges: readonly Edge[];
  readonly builtFrom: readonly Source[];
  readonly delivery?: {
    readonly version?: string;
    readonly state?: string;
    readonly sentAt?: string;
    readonly ackedAfterMs?: number;
    readonly bytes?: number;
    readonly error?: string;
  };
  readonly summary: string;
  readonly node: {
    readonly id: string;
    readonly service: string;
    /** Absent of an earlier moment. */
    readonly state?: string;
    readonly connectedAt?: string;
    readonly endpoint?: string;
  };
}

const sourceLine = (source: Source, now: number): string =>
  [
    source.of,
    `event ${source.offset}`,
    source.source,
    ago(source.recordedAt, now),
    ...(source.reason === undefined ? [] : [`"${source.reason}"`]),
    ...(source.file === undefined ? [] : [`${source.file}:${source.line ?? 1}`]),
  ].join('  ');

const edgeLine = (edge: Edge, now: number): string =>
  [
    `edge ${edge.from} -> ${edge.to}${edge.port === undefined ? '' : `:${edge.port}`}`,
    edge.origin,
    edge.state,
    ...(edge.evidence.length === 0 ? [] : [`by ${edge.evidence.join(', ')}`]),
    ...(edge.firstOffset === undefined ? [] : [`since event ${edge.firstOffset}`]),
    ...(edge.firstSeen === undefined ? [] : [`first seen ${ago(edge.firstSeen, now)}`]),
    ...(edge.lastSeen === undefined ? [] : [`last seen ${ago(edge.lastSeen, now)}`]),
    ...(edge.lastUsed === undefined ? [] : [`last used ${ago(edge.lastUsed, now)}`]),
    ...(edge.expiresAt === undefined ? [] : [`expires ${within(edge.expiresAt, now)}`]),
  ].join('  ');

/** Lines of one part of the chain; the answer is to fit on a screen. */
const PART_LINES = 5;

const block = (title: string, given: readonly string[]): string[] => {
  const left = given.length - PART_LINES + 1;
  const lines = left <= 1 ? given : [...given.slice(0, PART_LINES - 1), `… ${left} more; all: -o json`];
  return lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(14)}${line}`);
};

const nodeLine = ({ node }: Answer, now: number): string =>
  [
    node.id,
    `of ${node.service}`,
    ...(node.endpoint === undefined ? [] : [`endpoint ${node.endpoint}`]),
    ...(node.state === undefined ? [] : [stateWord(node.state)]),
    ...(node.connectedAt === undefined ? [] : [`connected ${ago(node.connectedAt, now)}`]),
  ].join('  ');

const headLine = ({ type, name, delivery }: Answer, now: number): string =>
  [
    `${type}/${name}`,
    ...(delivery === undefined ? ['not held now'] : []),
    ...(delivery?.state === 'removed' ? ['REMOVED'] : []),
    ...(delivery?.version === undefined ? [] : [`version ${delivery.version}`]),
    ...(delivery?.bytes === undefined ? [] : [bytes(delivery.bytes)]),
    ...(delivery?.sentAt === undefined ? [] : [`sent ${ago(delivery.sentAt, now)}`]),
    // Below 0: an acknowledgement of the version before.
    ...(delivery?.ackedAfterMs === undefined || delivery.ackedAfterMs < 0
      ? []
      : [`acked +${delivery.ackedAfterMs} ms`]),
    ...(delivery?.error === undefined ? [] : [`REFUSED: ${delivery.error}`]),
  ].join('  ');

const textOf = (answer: Answer, now: number): string =>
  [
    headLine(answer, now),
    ...block('held because', [
      ...(answer.edges.length === 0 || answer.because === 'raw' ? [answer.summary] : []),
      ...answer.edges.map((edge) => edgeLine(edge, now)),
    ]),
    ...block(
      'declared by',
      answer.edges.flatMap((edge) => edge.documents ?? []).map((source) => sourceLine(source, now)),
    ),
    ...block(
      'built from',
      answer.builtFrom.map((source) => sourceLine(source, now)),
    ),
    ...block('held by', [nodeLine(answer, now)]),
    ...(answer.delivery === undefined ? [`next: tendril proxy ${answer.proxy}`] : []),
  ]
    .map(printable)
    .join('\n');

const URL_PREFIX = 'type.googleapis.com/';

export const why: Command = {
  usage: 'why PROXY TYPE/NAME',
  options: OPTIONS,
  help: [
    'PROXY  id of the sidecar; or SERVICE.NAMESPACE where it has one sidecar only',
    'TYPE   cds, eds, lds, rds, vhds (or cluster, endpoints, listener, route, host); of raw resources also a type URL',
    'NAME   as `tendril proxy PROXY` lists it',
    AT_HELP,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril why web.shop cds/reviews.shop:9080', 'tendril why web.shop host/reviews.shop:9080 -o json'],
  run: async (argv, io) => {
    const args = parse('why', argv, OPTIONS, { min: 2, max: 2, usage: why.usage });
    const format = formatOf(args);
    const [word = '', resource = ''] = args.positionals;
    // A type URL has a slash of its own.
    const slash = resource.indexOf('/', resource.startsWith(URL_PREFIX) ? URL_PREFIX.length : 0);
    if (slash < 1 || slash === resource.length - 1)
      throw usageError(
        `"${resource}" names no resource; allowed: TYPE/NAME, for example cds/cart.shop:7070`,
        `tendril proxy ${word}`,
      );
    const client = clientFor(args, io);
    const at = text(args, 'at');
    const { id } = await findSidecar(client, word, at);
    const { body } = await client.request<Answer>(`${sidecarPath(id)}/why`, {
      query: { type: resource.slice(0, slash), name: resource.slice(slash + 1), at },
      remedies: { RESOURCE_UNKNOWN: `tendril proxy ${id}`, E102: `tendril proxy ${id}` },
    });
    io.out(
      render(
        format,
        body,
        () => textOf(body, io.now()),
        () => [`${body.type}/${body.name}`],
      ),
    );
    return 0;
  },
};
