/** `tendril events [--follow]`: the log, newest pages or as it grows. */
import { TendrilError } from '../../model/index.ts';
import { CLIENT_OPTIONS, flag, formatOf, integer, type Options, oneOf, parse, text, usageError } from '../arguments.ts';
import { type AdminClient, clientFor } from '../client.ts';
import type { Command, Io } from '../command.ts';
import type { Format } from '../format.ts';
import { plural, render } from '../output.ts';
import { pause } from '../pause.ts';
import { type EventItem, eventTable, streamHead, streamRow } from './event-item.ts';

const OPTIONS: Options = {
  ...CLIENT_OPTIONS,
  follow: { type: 'boolean', short: 'F' },
  from: { type: 'string' },
  type: { type: 'string' },
  subject: { type: 'string' },
  status: { type: 'string' },
  limit: { type: 'string' },
};

const STATUSES = ['applied', 'rejected', 'quarantined', 'duplicate', 'pending'] as const;
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000_000;
/** Rows asked for at a time; the server's bound. */
const PAGE = 1_000;
/** How far back the first look for the last events goes; each further one twice as far. */
const FIRST_WINDOW = 1_000;
const MAX_WINDOW = 50_000;
/** A core that is started again is back within seconds. */
const RETRY_MS = 500;
const GIVE_UP_MS = 60_000;

interface Filter {
  readonly type: string | undefined;
  readonly subject: string | undefined;
  readonly status: string | undefined;
}

const headOf = async (client: AdminClient): Promise<number> => {
  const { body } = await client.request<{ readonly events: readonly EventItem[] }>('/v1/events', {
    query: { from: -1, limit: 1 },
  });
  return body.events.at(-1)?.offset ?? 0;
};

/** Events of `from`..`to` that pass the filter, at most `limit`. */
const between = async (
  client: AdminClient,
  filter: Filter,
  range: { readonly from: number; readonly to: number; readonly limit: number },
): Promise<EventItem[]> => {
  const items: EventItem[] = [];
  const query = { from: range.from, limit: Math.min(PAGE, range.limit), ...filter };
  for await (const item of client.pages<EventItem>('/v1/events', 'events', query)) {
    if (item.offset > range.to) break;
    items.push(item);
    if (items.length >= range.limit) break;
  }
  return items;
};

/** The last `limit` events that pass the filter: looks backwards in growing steps. */
const last = async (client: AdminClient, filter: Filter, limit: number): Promise<readonly EventItem[]> => {
  let items: EventItem[] = [];
  let to = await headOf(client);
  let window = Math.max(FIRST_WINDOW, limit);
  while (to > 0 && items.length < limit) {
    const from = Math.max(1, to - window + 1);
    items = [...(await between(client, filter, { from, to, limit: Number.POSITIVE_INFINITY })), ...items];
    to = from - 1;
    window = Math.min(MAX_WINDOW, window * 2);
  }
  return items.slice(-limit);
};

/** Prints events as they come, over losses of the server, until the signal or until the server stays away. */
const follow = async (
  client: AdminClient,
  filter: Filter,
  first: number | undefined,
  format: Format,
  io: Io,
): Promise<void> => {
  // From a known offset on: nothing is missed between two connections.
  let next = first ?? (await headOf(client)) + 1;
  let title = streamHead(format);
  let lostAt: number | undefined;
  while (!io.signal.aborted) {
    try {
      const query = { from: next, type: filter.type, subject: filter.subject };
      for await (const data of client.stream('/v1/events/stream', query, io.signal)) {
        if (lostAt !== undefined) io.err('the server is back');
        lostAt = undefined;
        if (data === undefined) {
          if (title !== undefined) io.out(title);
          title = undefined;
          continue;
        }
        const event = JSON.parse(data) as EventItem;
        next = event.offset + 1;
        if (filter.status === undefined || filter.status === event.status) io.out(streamRow(event, format));
      }
    } catch (error) {
      if (io.signal.aborted) return;
      // The first connection, and what the server refuses, are not tried again.
      if (!(error instanceof TendrilError) || error.code !== 'SERVER_UNREACHABLE' || title !== undefined) throw error;
    }
    if (io.signal.aborted) return;
    if (lostAt === undefined) io.err('the server is gone; trying again');
    lostAt ??= io.now();
    if (io.now() - lostAt > GIVE_UP_MS)
      throw new TendrilError('SERVER_UNREACHABLE', `${client.server} stayed away for ${GIVE_UP_MS / 1_000} s`, {
        remedy: `tendril events --follow --from ${next}`,
      });
    await pause(RETRY_MS, io.signal);
  }
};

/** An offset, or -N: the last N. */
const fromOf = (value: string | undefined): number | undefined => {
  if (value === undefined) return undefined;
  const parsed = Number(value);
  if (value.trim() === '' || !Number.isSafeInteger(parsed) || parsed < -MAX_LIMIT || parsed === 0)
    throw usageError(`--from is "${value}"; allowed: an offset from 1 on, or -N for the last N events`);
  return parsed;
};

export const events: Command = {
  usage: 'events [--follow] [--from OFFSET] [--type T] [--subject S] [--status S] [--limit N]',
  options: OPTIONS,
  help: [
    '-F, --follow     print new events as they are folded, until Ctrl-C',
    `--from OFFSET    first event (default: the last ${DEFAULT_LIMIT}; with --follow: only new ones); --from=-N: the last N`,
    '--type T         for example policy.applied; policy.* for a family; several with commas',
    "--subject S      for example policy/Route/default/reviews; a final * takes all that begin so: 'edge/*'",
    `--status S       ${STATUSES.join(', ')}`,
    `--limit N        at most N events (default ${DEFAULT_LIMIT}; with --follow: no limit)`,
    '--server URL, -o table|wide|json|yaml|name',
  ],
  examples: ["tendril events --type 'policy.*' --status rejected -o wide", 'tendril events --follow --from 1 -o json'],
  run: async (argv, io) => {
    const args = parse('events', argv, OPTIONS, { min: 0, max: 0, usage: events.usage });
    const format = formatOf(args);
    const client = clientFor(args, io);
    const limit = integer(args, 'limit', 1, MAX_LIMIT);
    const from = fromOf(text(args, 'from'));
    const filter = {
      type: text(args, 'type'),
      subject: text(args, 'subject'),
      status: oneOf(args, 'status', STATUSES),
    };
    if (flag(args, 'follow')) {
      if (limit !== undefined) throw usageError('--follow has no --limit', 'tendril events --follow | head -20');
      await follow(client, filter, from, format, io);
      return 0;
    }
    const range = { to: Number.POSITIVE_INFINITY, limit: limit ?? DEFAULT_LIMIT };
    const items =
      from === undefined ? await last(client, filter, range.limit) : await between(client, filter, { from, ...range });
    io.out(
      render(
        format,
        { events: items },
        () =>
          [
            eventTable(items, format),
            ...(items.length === 0 ? [`${plural(0, 'event')} of that kind; next: tendril events --from 1`] : []),
          ].join('\n'),
        () => items.map(({ subject }) => subject ?? '-'),
      ),
    );
    return 0;
  },
};
