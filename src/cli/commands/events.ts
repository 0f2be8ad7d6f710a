/** `tendril events [--follow]`: the log, newest pages or as it grows. */
import { CLIENT_OPTIONS, flag, formatOf, integer, type Options, parse, text } from '../arguments.ts';
import { clientFor } from '../client.ts';
import type { Command } from '../command.ts';
import { type Column, type Format, render, table } from '../output.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  follow: { type: 'boolean', short: 'F' },
  from: { type: 'string' },
  type: { type: 'string' },
  subject: { type: 'string' },
  limit: { type: 'string' },
};

interface EventItem {
  readonly offset: number;
  readonly type: string;
  readonly subject: string;
  readonly recordedAt: string;
  readonly source: string;
  readonly status: string;
  readonly code?: string;
  readonly reason?: string;
}

const DEFAULT_LIMIT = 50;

const COLUMNS: readonly Column<EventItem>[] = [
  { title: 'OFFSET', value: (event) => event.offset },
  { title: 'RECORDED', value: (event) => event.recordedAt },
  { title: 'STATUS', value: (event) => (event.code === undefined ? event.status : `${event.status} ${event.code}`) },
  { title: 'TYPE', value: (event) => event.type },
  { title: 'SUBJECT', value: (event) => event.subject },
  { title: 'SOURCE', value: (event) => event.source },
  { title: 'REASON', value: (event) => event.reason ?? '', wide: true },
];

/** One line of a stream: fixed widths, because later rows are not known yet. */
const line = (event: EventItem, format: Format): string => {
  if (format === 'json') return JSON.stringify(event);
  if (format === 'name') return event.subject;
  const widths = [8, 24, 12, 26, 44];
  return COLUMNS.filter((column) => format === 'wide' || column.wide !== true)
    .map((column, index) => String(column.value(event) ?? '-').padEnd(widths[index] ?? 0))
    .join('  ')
    .trimEnd();
};

export const events: Command = {
  name: 'events',
  summary: 'show the event log',
  usage: 'events [--follow] [--from OFFSET] [--type T] [--subject S]',
  options: OPTIONS,
  help: [
    '-F, --follow     print new events as they are folded, until Ctrl-C',
    `--from OFFSET    first event (default: the last ${DEFAULT_LIMIT}; with --follow: only new ones)`,
    '--type T         for example policy.applied',
    '--subject S      for example policy/Route/default/reviews',
    `--limit N        at most N events (default ${DEFAULT_LIMIT})`,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  run: async (argv, io) => {
    const args = parse('events', argv, OPTIONS, { min: 0, max: 0, usage: events.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const limit = integer(args, 'limit', 1, 1_000_000) ?? DEFAULT_LIMIT;
    const from = integer(args, 'from', 1, Number.MAX_SAFE_INTEGER);
    const filter = { type: text(args, 'type'), subject: text(args, 'subject') };
    if (flag(args, 'follow')) {
      const query = new URLSearchParams(
        Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined),
      );
      if (from !== undefined) query.set('from', String(from));
      const stream = client.stream(
        `/v1/events/stream?${query}`,
        from === undefined ? {} : { 'last-event-id': String(from - 1) },
      );
      const stopped = new Promise<undefined>((done) =>
        io.signal.addEventListener('abort', () => done(undefined), { once: true }),
      );
      for (;;) {
        const next = await Promise.race([stream.next(), stopped]);
        if (next === undefined || next.done === true) return 0;
        io.out(line(JSON.parse(next.value.data) as EventItem, format));
      }
    }
    const { body: head } = await client.request<{ readonly offset: number }>('/v1/state/hash');
    const items: EventItem[] = [];
    const first =
      from ?? (filter.type === undefined && filter.subject === undefined ? Math.max(1, head.offset - limit + 1) : 1);
    for await (const item of client.pages<EventItem>('/v1/events', 'events', { from: first, ...filter })) {
      items.push(item);
      if (items.length >= limit) break;
    }
    io.out(
      render(
        format,
        { events: items },
        () => table(items, COLUMNS, format),
        () => items.map(({ subject }) => subject),
      ),
    );
    return 0;
  },
};
