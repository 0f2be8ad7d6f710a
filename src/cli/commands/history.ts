/** `tendril history KIND/NAME`: events of a document or a service, what each changed, whom it reached, what became of it. */
import { CLIENT_OPTIONS, formatOf, integer, type Options, parse, text, usageError } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { documentRef } from '../document-ref.ts';
import type { Format } from '../format.ts';
import { ago, plural, render, table } from '../output.ts';

const OPTIONS: Options = { ...CLIENT_OPTIONS, namespace: { type: 'string', short: 'n' }, limit: { type: 'string' } };

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 1_000;
const MAX_CHANGE = 60;

interface Row {
  readonly offset: number;
  readonly recordedAt: string;
  readonly source?: string;
  readonly reason?: string;
  readonly type?: string;
  readonly change?: string;
  readonly lines?: readonly string[];
  readonly reached?: { readonly sidecars: number; readonly acknowledged: number; readonly ms?: number };
  readonly result?: string;
  readonly message?: string;
}

const changeText = ({ change, lines = [] }: Row, format: Format): string | undefined => {
  if (change === undefined || change === 'unchanged') return undefined;
  const all = lines.length === 0 ? change : lines.join(', ');
  return format === 'wide' || all.length <= MAX_CHANGE ? all : `${all.slice(0, MAX_CHANGE - 1)}…`;
};

const reachedText = ({ reached }: Row): string | undefined => {
  if (reached === undefined) return undefined;
  const count = `${reached.acknowledged}/${reached.sidecars}`;
  return reached.ms === undefined ? count : `${count} ${(reached.ms / 1_000).toFixed(1)} s`;
};

/** Refusals are what an operator looks for, so they shout. */
const resultText = ({ result }: Row): string | undefined => result?.replace(/^refused/, 'REFUSED');

const rowsTable = (rows: readonly Row[], format: Format, now: number): string =>
  table(
    rows,
    [
      { title: 'OFFSET', value: ({ offset }) => offset, number: true },
      { title: 'WHEN', value: ({ recordedAt }) => ago(recordedAt, now) },
      { title: 'WHO', value: ({ source }) => source },
      { title: 'WHY', value: ({ reason }) => reason },
      { title: 'CHANGE', value: (row) => changeText(row, format) },
      { title: 'REACHED', value: reachedText },
      { title: 'RESULT', value: resultText },
      { title: 'MESSAGE', value: ({ message }) => message, wide: true },
    ],
    format,
  );

/** `service/NAME`, `services/NAME.NAMESPACE` are of the registry; else a document. Lower case `service` alone is the registry's. */
const pathOf = (words: readonly string[], namespace: string | undefined): string => {
  const parts = words.flatMap((word) => word.split('/'));
  if (/^(service|services|svc)$/.test(parts[0] ?? '')) {
    const [first = '', second] = parts.slice(1);
    const [name = '', within] = (second ?? first).split('.');
    if (name === '' || parts.length > 3)
      throw usageError(
        `"${words.join(' ')}" names no service; allowed: service/NAME.NAMESPACE`,
        'tendril get services',
      );
    return ['/v1/services', (second === undefined ? within : first) ?? namespace ?? 'default', name]
      .map((part, at) => (at === 0 ? part : encodeURIComponent(part)))
      .join('/');
  }
  const { kind, namespace: of = 'default', name } = documentRef(words, namespace);
  if (name === undefined) throw usageError('history of which document?', `tendril get ${kind}`);
  return `/v1/docs/${[kind, of, name].map(encodeURIComponent).join('/')}`;
};

export const history: Command = {
  usage: 'history KIND/[NAMESPACE/]NAME | service/NAME.NAMESPACE',
  options: OPTIONS,
  help: [
    'KIND/NAME           a document: Service, Route, Upstream, Dependency; deleted ones too',
    'service/NAME        what is registered, by events and by its Service document',
    '-n, --namespace NS  of the name (default: default)',
    `--limit N           at most N events (default ${DEFAULT_LIMIT})`,
    'REACHED: sidecars that took the version of those that were sent it, and how long after the event; - where the delivery',
    'ledger (7 days, eight steps a resource) does not reach',
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ['tendril history Route/shop/cart', 'tendril history service/cart.shop -o json'],
  run: async (argv, io) => {
    const args = parse('history', argv, OPTIONS, { min: 1, max: 2, usage: history.usage });
    const format = formatOf(args);
    const path = pathOf(args.positionals, text(args, 'namespace'));
    const limit = integer(args, 'limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
    const { body } = await clientFor(args, io).request<{ readonly events: readonly Row[]; readonly next?: number }>(
      `${path}/history`,
      { query: { change: 1, limit }, remedies: { DOCUMENT_UNKNOWN: 'tendril get KIND' } },
    );
    // What tells of a refusal is told with what was refused.
    const rows = body.events.filter(({ type }) => type !== 'policy.refused');
    const more = body.next === undefined ? '' : `, older ones with --limit ${Math.min(MAX_LIMIT, 10 * limit)}`;
    io.out(
      render(
        format,
        { events: body.events, ...(body.next === undefined ? {} : { next: body.next }) },
        () => [rowsTable(rows, format, io.now()), `${plural(rows.length, 'event')}${more}`].join('\n'),
        () => rows.map(({ offset }) => String(offset)),
      ),
    );
    return 0;
  },
};
