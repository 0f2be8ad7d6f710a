/** `tendril proxy ID`: one sidecar, resource by resource. */
import { AT_HELP, CLIENT_OPTIONS, formatOf, type Options, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, type Column, plural, printable, render, table } from '../output.ts';
import { proxyThen } from './proxy-then.ts';
import { findSidecar, type SidecarItem, sidecarPath, stateWord } from './sidecar.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, at: { type: 'string' } };

interface ResourceItem {
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly bytes?: number;
  readonly sentAt?: string;
  readonly ackedAt?: string;
  readonly error?: string;
}

const nameOf = (item: ResourceItem): string => `${item.type}/${item.name}`;

/** An acknowledgement from before the last sending was of another version. */
const ackedAfter = ({ sentAt, ackedAt }: ResourceItem): string | undefined => {
  if (ackedAt === undefined || sentAt === undefined) return undefined;
  const ms = Date.parse(ackedAt) - Date.parse(sentAt);
  return ms < 0 ? undefined : `+${ms} ms`;
};

const columns = (now: number, refused: boolean): readonly Column<ResourceItem>[] => [
  { title: 'RESOURCE', value: nameOf },
  { title: 'STATE', value: (item) => stateWord(item.state) },
  { title: 'VERSION', value: (item) => item.version },
  { title: 'BYTES', value: (item) => item.bytes, number: true },
  { title: 'SENT', value: (item) => (item.sentAt === undefined ? undefined : ago(item.sentAt, now)) },
  { title: 'ACKED', value: ackedAfter },
  { title: 'ERROR', value: (item) => item.error, wide: !refused },
];

const head = (sidecar: SidecarItem): string =>
  printable(
    [
      sidecar.id,
      `service ${sidecar.service}`,
      stateWord(sidecar.state),
      ...(sidecar.state === 'offline'
        ? ['what it was last sent:']
        : [
            `holds ${sidecar.services ?? 0} of ${plural(sidecar.of ?? 0, 'service port')}`,
            plural(sidecar.holds, 'resource'),
          ]),
      ...(sidecar.generation === undefined ? [] : [`generation ${sidecar.generation}`]),
      ...(sidecar.stale === undefined ? [] : [`${sidecar.stale} held though unused for long`]),
      ...(sidecar.lastError === undefined ? [] : [`last refusal: ${sidecar.lastError}`]),
    ].join('  '),
  );

export const proxy: Command = {
  usage: 'proxy ID',
  options: OPTIONS,
  help: [
    'ID   of the sidecar, as `tendril proxies` lists it; or SERVICE.NAMESPACE where it has one sidecar only',
    AT_HELP,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('proxy', argv, OPTIONS, { min: 1, max: 1, usage: proxy.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const at = text(args, 'at');
    if (at !== undefined) return proxyThen(client, args.positionals[0] ?? '', at, format, io);
    const sidecar = await findSidecar(client, args.positionals[0] ?? '');
    const items = await client.all<ResourceItem>(`${sidecarPath(sidecar.id)}/resources`, 'resources');
    const first = items.find(({ state }) => state === 'refused') ?? items[0];
    const refused = items.some(({ state }) => state === 'refused');
    io.out(
      render(
        format,
        { proxy: sidecar, resources: items },
        () =>
          [
            head(sidecar),
            table(items, columns(io.now(), refused), format),
            ...(first === undefined ? [] : [`next: tendril why ${printable(sidecar.id)} ${nameOf(first)}`]),
          ].join('\n'),
        () => items.map(nameOf),
      ),
    );
    return 0;
  },
};
