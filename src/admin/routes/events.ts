/** `POST /v1/events`, `GET /v1/events`. */
import { isObject } from '../../model/index.ts';
import { parseJson, parseJsonLines, textOf } from '../body.ts';
import { type EventRow, eventFilter, eventRow } from '../event-rows.ts';
import { MAX_PAGE, nextField } from '../paging.ts';
import type { Place } from '../ports.ts';
import { refusal } from '../problem.ts';
import {
  type AnyRoute,
  durationParam,
  integerParam,
  type RequestContext,
  route,
  textParam,
  wordParam,
} from '../route.ts';
import { writeAnswer } from '../write-answer.ts';

/** Records that one request looks at; a filter that finds little gives a short page with `next`. */
const MAX_SCANNED = 50_000;

interface RawEvents {
  readonly events: readonly unknown[];
  readonly place: (index: number) => Place;
}

const eventsOf = (context: RequestContext): RawEvents => {
  const { body, limits } = context;
  const text = textOf(body?.bytes ?? Buffer.alloc(0));
  if (body?.kind === 'ndjson') {
    const lines = parseJsonLines(text, limits.batchEvents);
    return {
      events: lines.map(({ value }) => value),
      place: (index) => ({ pointer: '', line: lines[index]?.line ?? 0 }),
    };
  }
  const value = parseJson(text);
  const events = isObject(value) ? value.events : undefined;
  if (!isObject(value) || !Array.isArray(events))
    throw refusal('E102', 'the body is not {"events":[…]}', {
      pointer: '',
      remedy: 'send {"events":[{"type":…,"data":…}]}, or NDJSON with content-type application/x-ndjson',
    });
  const other = Object.keys(value).find((key) => key !== 'events');
  if (other !== undefined)
    throw refusal('E101', `unknown field "${other.slice(0, 80)}" beside "events"`, {
      pointer: `/${other.slice(0, 80)}`,
    });
  return { events, place: (index) => ({ pointer: `/events/${index}` }) };
};

const post = route({
  method: 'POST',
  path: '/v1/events',
  summary: 'Append events: one batch, applied or rejected whole.',
  query: {
    wait: wordParam('`applied`: answer when all xDS streams see the change.', ['applied']),
    timeout: durationParam('How long to wait; then the answer is 202.'),
  },
  body: { kinds: ['json', 'ndjson'], description: '`{"events":[…]}`, or one event a line.' },
  answers: {
    200: 'Durable and applied (or known already).',
    202: 'Durable; not decided, or not visible yet.',
    400: 'A structural error; nothing was appended.',
    409: 'Rejected by the fold: durable as rejected, without effect.',
    413: 'Too large, or too many events.',
    429: 'Try again after Retry-After.',
    507: 'The disk is full.',
  },
  handle: async (context) => {
    const { events, place } = eventsOf(context);
    const { wait, timeout } = context.query;
    const answer = await context.ports.ingest.submit({
      events,
      caller: context.caller,
      place,
      ...(wait === undefined ? {} : { wait }),
      ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    });
    return writeAnswer(answer, { request: context.requestId });
  },
});

const list = route({
  method: 'GET',
  path: '/v1/events',
  summary: 'Events of the log with their outcomes.',
  query: {
    from: integerParam('First offset; negative: that many before the end.', {
      min: -1_000_000,
      max: Number.MAX_SAFE_INTEGER,
      default: undefined,
    }),
    type: textParam('Only this type; `policy.*` for a family; several with commas.'),
    subject: textParam('Only this subject; a final `*` takes all that begin so.'),
    status: wordParam('Only events with this outcome.', ['applied', 'rejected', 'quarantined', 'duplicate', 'pending']),
    limit: integerParam('Rows of one page.', { min: 1, max: MAX_PAGE, default: 100 }),
    next: integerParam('`next` of the page before.', { min: 1, max: Number.MAX_SAFE_INTEGER, default: undefined }),
  },
  answers: { 200: 'A page; `next` is the offset to go on from.', 410: 'The offset is no longer in the log.' },
  handle: async ({ query, ports, signal }) => {
    const { offset: head, first } = ports.events.head();
    const wanted = query.next ?? query.from ?? first;
    const from = wanted < 0 ? Math.max(first, head + 1 + wanted) : Math.max(1, wanted);
    const keep = eventFilter(query);
    const rows: EventRow[] = [];
    let at = from;
    if (from <= head) {
      scan: for await (const batch of ports.events.read({ from, signal, maxBatch: 1_000 })) {
        for (const record of batch) {
          if (rows.length >= query.limit || record.offset - from >= MAX_SCANNED) break scan;
          at = record.offset + 1;
          const row = eventRow(record, ports.events.outcomeOf(record.offset));
          if (keep(row)) rows.push(row);
        }
      }
    }
    return { body: { events: rows, ...nextField(at <= head ? at : undefined) }, etag: head };
  },
});

export const eventRoutes: readonly AnyRoute[] = [post, list];
