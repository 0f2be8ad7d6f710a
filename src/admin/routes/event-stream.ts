/**
 * `GET /v1/events/stream`: events as server-sent events.
 *
 * Invariants: 1. `id:` is the offset; a client that comes back with Last-Event-ID gets the next one, none twice, none left out.
 * 2. One batch of records is held per stream; the next is read when the socket has taken it: a slow reader costs no memory, and
 * is cut off after `STALL_MS` without progress. 3. A comment goes out after `HEARTBEAT_MS` of silence.
 */
import type { ServerResponse } from 'node:http';
import { eventFilter, eventRow } from '../event-rows.ts';
import type { EventsPort } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, integerParam, type RequestContext, route, textParam } from '../route.ts';

const HEARTBEAT_MS = 15_000;
const STALL_MS = 60_000;
const MAX_BATCH = 256;
/** How long an event may wait for the fold before it is shown as pending. */
const SETTLE_MS = 1_000;

const lastEventId = (header: string | readonly string[] | undefined): number | undefined => {
  if (header === undefined) return undefined;
  const text = String(header).trim();
  if (!/^[0-9]{1,15}$/.test(text))
    throw refusal('E102', `Last-Event-ID is "${text.slice(0, 80)}"; allowed is an offset`);
  return Number(text);
};

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

/** True once the socket has taken what was written; false when the reader is gone or too slow. */
const drained = (response: ServerResponse, signal: AbortSignal): Promise<boolean> =>
  new Promise((resolve) => {
    const finish = (taken: boolean): void => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      signal.removeEventListener('abort', onEnd);
      resolve(taken);
    };
    const onDrain = (): void => finish(true);
    const onEnd = (): void => finish(false);
    const timer = setTimeout(onEnd, STALL_MS);
    response.once('drain', onDrain);
    signal.addEventListener('abort', onEnd, { once: true });
  });

/** Writes, and waits until the socket has taken it. False: the reader is gone or too slow. */
const write = async (response: ServerResponse, text: string, signal: AbortSignal): Promise<boolean> => {
  if (signal.aborted || response.destroyed) return false;
  return response.write(text) || drained(response, signal);
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
  stream: async ({ query, headers, ports, signal }: RequestContext, response) => {
    const { from } = query as { readonly from?: number };
    const { events } = ports;
    const start = startOf(events, lastEventId(headers['last-event-id']), from);
    const keep = eventFilter(query);
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    let lastWrite = Date.now();
    let passed = start - 1;
    const send = async (text: string): Promise<void> => {
      lastWrite = Date.now();
      if (!(await write(response, text, stop))) ended.abort();
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
