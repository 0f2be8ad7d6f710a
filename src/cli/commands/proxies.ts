/** `tendril proxies`: sidecars, what each holds, of how many, and whether it took it. */
import { CLIENT_OPTIONS, flag, formatOf, type Options, oneOf, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { ago, bytes, type Column, plural, render, table } from '../output.ts';
import { INCOMPLETE, type SavingsTotals, SIDECAR_STATES, type SidecarItem, stateWord } from './sidecar.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  service: { type: 'string' },
  state: { type: 'string' },
  savings: { type: 'boolean' },
};

const columns = (now: number, refused: boolean): readonly Column<SidecarItem>[] => [
  { title: 'PROXY', value: (item) => item.id },
  { title: 'SERVICE', value: (item) => item.service },
  { title: 'STATE', value: (item) => stateWord(item.state) },
  { title: 'LAST ACK', value: (item) => (item.lastAckAt === undefined ? undefined : ago(item.lastAckAt, now)) },
  { title: 'HOLDS', value: (item) => item.services ?? item.holds, number: true },
  { title: 'OF', value: (item) => item.of, number: true },
  { title: 'BYTES SENT', value: (item) => (item.bytes === undefined ? undefined : bytes(item.bytes)), number: true },
  { title: 'RESOURCES', value: (item) => item.holds, number: true, wide: true },
  {
    title: 'CONNECTED',
    value: (item) => (item.connectedAt === undefined ? undefined : ago(item.connectedAt, now)),
    wide: true,
  },
  { title: 'ERROR', value: (item) => item.lastError, wide: !refused },
];

const percent = (ratio: number): string => `${(ratio * 100).toFixed(ratio < 0.01 ? 2 : 1)}%`;

const savingsColumns: readonly Column<SidecarItem>[] = [
  { title: 'PROXY', value: (item) => item.id },
  { title: 'SERVICE', value: (item) => item.service },
  { title: 'RESOURCES', value: (item) => item.savings?.resources, number: true },
  { title: 'FULL MESH', value: (item) => item.savings?.fullResources, number: true },
  { title: 'BYTES', value: ({ savings }) => (savings === undefined ? undefined : bytes(savings.bytes)), number: true },
  {
    title: 'FULL MESH',
    value: ({ savings }) => (savings === undefined ? undefined : bytes(savings.fullBytes)),
    number: true,
  },
  {
    title: 'SHARE',
    value: ({ savings }) => (savings === undefined ? undefined : percent(savings.ratio)),
    number: true,
  },
];

const savingsLines = (all: SavingsTotals): string => {
  const full = all.fullPushedBytes.change + all.fullPushedBytes.connect;
  return [
    ...(all.complete === false ? [INCOMPLETE] : []),
    `held: ${all.resources} resources, ${bytes(all.bytes)} in ${plural(all.sidecars, 'sidecar')}; in a full mesh ${all.fullResources} resources, ${bytes(all.fullBytes)} (${percent(all.ratio)})`,
    `pushed: ${bytes(all.pushedBytes)} since the start; a full mesh at least ${bytes(full)} (${bytes(all.fullPushedBytes.change)} for changes, ${bytes(all.fullPushedBytes.connect)} to sidecars that connected)`,
  ].join('\n');
};

const summary = (items: readonly SidecarItem[]): string => {
  const count = (state: string): number => items.filter((item) => item.state === state).length;
  const words = SIDECAR_STATES.filter((state) => count(state) > 0).map(
    (state) => `${count(state)} ${stateWord(state)}`,
  );
  const [refused] = items.filter(({ state }) => state === 'refused');
  const next =
    items.length === 0
      ? '; next: tendril bootstrap --help'
      : refused === undefined
        ? ''
        : `; next: tendril proxy ${refused.id}`;
  return `${plural(items.length, 'proxy', 'proxies')}${words.length === 0 ? '' : `: ${words.join(', ')}`}${next}`;
};

export const proxies: Command = {
  usage: 'proxies [--service SERVICE.NAMESPACE] [--state S] [--savings]',
  options: OPTIONS,
  help: [
    '--service S  only sidecars of this SERVICE.NAMESPACE',
    `--state S    ${SIDECAR_STATES.join(', ')}`,
    '--savings    what each holds of services, and all together, against a full mesh',
    '--server URL, -o table|wide|json|yaml|name',
    '',
    'HOLDS: service ports held, OF: service ports in the mesh',
  ],
  run: async (argv, io) => {
    const args = parse('proxies', argv, OPTIONS, { min: 0, max: 0, usage: proxies.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const query = { service: text(args, 'service'), state: oneOf(args, 'state', SIDECAR_STATES), limit: 1_000 };
    if (flag(args, 'savings')) {
      const { body } = await client.request<{ savings: SavingsTotals }>('/v1/proxies', {
        query: { ...query, limit: 1, savings: 1 },
      });
      const rows = await client.all<SidecarItem>('/v1/proxies', 'proxies', { ...query, savings: 1 });
      io.out(
        render(
          format,
          { proxies: rows, savings: body.savings },
          () => [table(rows, savingsColumns, format), savingsLines(body.savings)].join('\n'),
          () => rows.map(({ id }) => id),
        ),
      );
      return 0;
    }
    const items = await client.all<SidecarItem>('/v1/proxies', 'proxies', query);
    const refused = items.some(({ state }) => state === 'refused');
    io.out(
      render(
        format,
        { proxies: items },
        () => [table(items, columns(io.now(), refused), format), summary(items)].join('\n'),
        () => items.map(({ id }) => id),
      ),
    );
    return 0;
  },
};
