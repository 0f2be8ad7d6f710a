/**
 * `GET /v1/events/stream`: events as server-sent events.
 *
 * Invariants: 1. `id:` is the offset; a client that comes back with Last-Event-ID gets the next one, none twice, none left out.
 * 2. One batch of records is held per stream; the next is read when the socket has taken it: a slow reader costs no memory, and
 * is cut off after `STALL_MS` without progress. 3. A comment goes out after `HEARTBEAT_MS` of silence.
 */
import { eventFilter, eventRow } from '../event-rows.ts';
import type { EventsPort } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, integerParam, type RequestContext, route, textParam } from '../route.ts';
import { beginStream, HEARTBEAT_MS, lastEventId, writeEvents } from '../sse.ts';

const MAX_BATCH = 256;
/** How long an event may wait for the fold before it is shown as pending. */
const SETTLE_MS = 1_000;

/** First offset of the stream: behind Last-Event-ID, else `from`, else what comes next. Throws `OFFSET_GONE`. */
const startOf = (events: EventsPort, resumed: number | undefined, from: number | undefined): number => {
  const { offset: head, first } = events.head();
  const wanted = resumed !== undefined ? resumed + 1 : (from ?? head + 1);
  const start = wanted < 0 ? Math.max(first, head + 1 + wanted) : Math.max(1, wanted);
  if (start < first)
    throw refusal('OFFSET_GONE', `offset ${start} is no longer in the log, the first one is ${first}`, {
      remedy: `go on from ?from=${first}`,
    });
  return start;
};

const stream = route({
  method: 'GET',
  path: '/v1/events/stream',
  summary: 'Events as they are appended (server-sent events; Last-Event-ID resumes).',
  query: {
    from: integerParam('First offset; negative: that many before the end. Default: what comes next.', {
      min: -1_000_000,
      max: Number.MAX_SAFE_INTEGER,
      default: undefined,
    }),
    type: textParam('Only this type; `policy.*` for a family; several with commas.'),
    subject: textParam('Only this subject; a final `*` takes all that begin so.'),
  },
  answers: { 200: 'text/event-stream', 410: 'The offset is no longer in the log.', 503: 'Too many streams.' },
  stream: async ({ query, headers, ports, signal, limits }: RequestContext, response) => {
    const { from } = query as { readonly from?: number };
    const { events } = ports;
    const start = startOf(events, lastEventId(headers['last-event-id']), from);
    const keep = eventFilter(query);
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    beginStream(response);
    let lastWrite = Date.now();
    let passed = start - 1;
    const send = async (text: string): Promise<void> => {
      lastWrite = Date.now();
      if (!(await writeEvents(response, text, stop, limits.stallMs))) ended.abort();
    };
    await send(': from here\n\n');
    // A comment never waits behind a batch: the loop below writes, or nothing does.
    const heartbeat = setInterval(() => {
      if (Date.now() - lastWrite < HEARTBEAT_MS || response.writableNeedDrain || stop.aborted) return;
      lastWrite = Date.now();
      // Rows that a filter left out still move the resume point.
      response.write(passed >= start ? `id: ${passed}\n: still here\n\n` : ': still here\n\n');
    }, HEARTBEAT_MS / 3);
    heartbeat.unref();
    try {
      for await (const batch of events.follow({ from: start, signal: stop, maxBatch: MAX_BATCH })) {
        const last = batch.at(-1)?.offset;
        if (last !== undefined && events.outcomeOf(last) === undefined) await events.settled(last, SETTLE_MS);
        let text = '';
        for (const record of batch) {
          const row = eventRow(record, events.outcomeOf(record.offset));
          if (keep(row)) text += `id: ${row.offset}\ndata: ${JSON.stringify(row)}\n\n`;
          if (text.length < 256 * 1024) continue;
          await send(text);
          text = '';
        }
        if (text !== '') await send(text);
        passed = last ?? passed;
        if (stop.aborted) break;
      }
    } finally {
      clearInterval(heartbeat);
    }
  },
});

export const streamRoutes: readonly AnyRoute[] = [stream];
