/** `tendril why PROXY RESOURCE`: resource <- documents and events <- edge <- node, and when it was sent and acknowledged. */
import { TendrilError } from '../../model/index.ts';
import { CLIENT_OPTIONS, formatOf, type Options, parse } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, bytes, render } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS };

interface Source {
  readonly of: string;
  readonly offset: number;
  readonly source: string;
  readonly recordedAt: string;
  readonly reason?: string;
  readonly file?: string;
  readonly line?: number;
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly origin: string;
  readonly state: string;
  readonly evidence: readonly string[];
  readonly firstOffset?: number;
  readonly lastSeen?: string;
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
    ...(edge.lastSeen === undefined ? [] : [`last seen ${ago(edge.lastSeen, now)}`]),
  ].join('  ');

const block = (title: string, lines: readonly string[]): string[] =>
  lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(14)}${line}`);

export const why: Command = {
  name: 'why',
  summary: 'explain why a sidecar holds a resource',
  usage: 'why PROXY TYPE/NAME',
  options: OPTIONS,
  help: [
    'TYPE   cds, eds, lds, rds, vhds (or cluster, endpoints, listener, route, host)',
    '--server URL, -o table|json|yaml',
  ],
  run: async (argv, io) => {
    const args = parse('why', argv, OPTIONS, { min: 2, max: 2, usage: why.usage });
    const format = formatOf(args);
    const [id = '', resource = ''] = args.positionals;
    const slash = resource.indexOf('/');
    if (slash < 1)
      throw new TendrilError(
        'USAGE',
        `"${resource}" names no resource; allowed: TYPE/NAME, for example cds/cart.shop:7070`,
        {
          remedy: `tendril proxy ${id}`,
        },
      );
    const { body } = await clientFor(args, io).request<Answer>(`/v1/proxies/${encodeURIComponent(id)}/why`, {
      query: { type: resource.slice(0, slash), name: resource.slice(slash + 1) },
    });
    const { delivery } = body;
    const head = [
      `${body.type}/${body.name}`,
      ...(delivery?.version === undefined ? [] : [`version ${delivery.version}`]),
      ...(delivery?.bytes === undefined ? [] : [bytes(delivery.bytes)]),
      ...(delivery?.sentAt === undefined ? [] : [`sent ${ago(delivery.sentAt, io.now())}`]),
      ...(delivery?.ackedAfterMs === undefined ? [] : [`acked +${Math.max(0, delivery.ackedAfterMs)} ms`]),
      ...(delivery?.error === undefined ? [] : [`REFUSED: ${delivery.error}`]),
    ].join('  ');
    io.out(
      render(
        format,
        body,
        () =>
          [
            head,
            ...block(
              'held because',
              body.edges.length === 0 ? [body.summary] : body.edges.map((edge) => edgeLine(edge, io.now())),
            ),
            ...block(
              'declared by',
              body.edges.flatMap((edge) => edge.documents ?? []).map((source) => sourceLine(source, io.now())),
            ),
            ...block(
              'built from',
              body.builtFrom.map((source) => sourceLine(source, io.now())),
            ),
          ].join('\n'),
        () => [`${body.type}/${body.name}`],
      ),
    );
    return 0;
  },
};
