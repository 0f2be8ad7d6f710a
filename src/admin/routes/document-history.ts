/** `GET /v1/docs/{kind}/{ns}/{name}/history`, `POST /v1/docs/{kind}/{ns}/{name}:rollback`. */
import { isObject, policySubject, TendrilError } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import { toldEvents } from '../change-history.ts';
import { documentAt, type HistoryPage, historyOf } from '../document-history.ts';
import { MAX_PAGE, nextField } from '../paging.ts';
import type { AdminPorts } from '../ports.ts';
import { preconditionOf } from '../preconditions.ts';
import { refusal } from '../problem.ts';
import { type Reach, reachOf } from '../reach.ts';
import { type AnyRoute, flagParam, integerParam, type RequestContext, route } from '../route.ts';
import { writeAnswer } from '../write-answer.ts';
import { optionsOf, refOf, storedOf, unknownDocument, writeAnswers, writeParams } from './document-parts.ts';

/** ms that a rollback to an event of just now waits for the fold. */
const SETTLE_MS = 5_000;

const HISTORY_PARAMS = {
  limit: integerParam('Rows of one page.', { min: 1, max: MAX_PAGE, default: 100 }),
  next: integerParam('`next` of the page before.', { min: 1, max: Number.MAX_SAFE_INTEGER, default: undefined }),
  change: flagParam(
    'With what each event changed (RFC 6902, and lines for people), whom it reached, and what became of it.',
  ),
};

const GONE = 'The events are no longer in the log.';

/** Rows, each with what is told of it. */
const withChanges = async (
  ports: AdminPorts,
  subject: string,
  { rows, records }: HistoryPage,
  reach: Reach | undefined,
) => {
  const events = rows.flatMap(({ status, code }, at) => {
    const record = records[at];
    return record === undefined ? [] : [{ record, status, ...(code === undefined ? {} : { code }) }];
  });
  const told = await toldEvents(ports, subject, events, reach);
  return rows.map((row) => ({ ...row, ...told.get(row.offset) }));
};

const history = route({
  method: 'GET',
  path: '/v1/docs/{kind}/{namespace}/{name}/history',
  summary: 'Events of one document, newest first; deleted documents too.',
  query: HISTORY_PARAMS,
  answers: { 200: 'A page.', 404: 'There never was one.', 410: GONE },
  handle: async ({ path, ports, query, signal }) => {
    const ref = refOf(path);
    const { offset } = ports.state;
    const subject = policySubject(ref.kind, ref.namespace, ref.name);
    const page = await historyOf(ports, [subject], { ...query, signal });
    if (page.rows.length === 0 && query.next === undefined) throw unknownDocument(ref);
    const stored = storedOf(ports, ref);
    const reach = query.change && stored !== undefined ? await reachOf(ports, stored) : undefined;
    const events = query.change ? await withChanges(ports, subject, page, reach) : page.rows;
    return { body: { events, ...nextField(page.next) }, etag: offset };
  },
});

const ofService = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}/history',
  summary: 'Events of one service and of its Service document, newest first; deregistered services too.',
  query: HISTORY_PARAMS,
  answers: { 200: 'A page.', 404: 'There never was one.', 410: GONE },
  handle: async ({ path, ports, query, signal }) => {
    const { namespace = '', name = '' } = path;
    const { offset } = ports.state;
    const subject = `service/${namespace}/${name}`;
    const page = await historyOf(ports, [subject, policySubject('Service', namespace, name)], { ...query, signal });
    if (page.rows.length === 0 && query.next === undefined)
      throw new TendrilError('SERVICE_UNKNOWN', `there never was a service ${name}.${namespace}`, {
        remedy: 'see GET /v1/services',
      });
    const events = query.change ? await withChanges(ports, subject, page, undefined) : page.rows;
    return { body: { events, ...nextField(page.next) }, etag: offset };
  },
});

interface Target {
  readonly to: number;
  readonly reason: string | undefined;
}

const FORM = 'send {"to": 12, "reason": "why"}; GET …/history names the offsets';

/** Throws E101, E102, E103 for another form, `OFFSET_INVALID` for an offset that the log does not have. */
const targetOf = (body: RequestContext['body'], head: number): Target => {
  const value = parseJson(textOf(body?.bytes ?? Buffer.alloc(0)));
  if (!isObject(value)) throw refusal('E102', 'the body is not {"to": offset}', { pointer: '', remedy: FORM });
  const other = Object.keys(value).find((key) => key !== 'to' && key !== 'reason');
  if (other !== undefined)
    throw refusal('E101', `unknown field "${other.slice(0, 80)}"; allowed are to, reason`, {
      pointer: `/${other.slice(0, 80)}`,
    });
  const { to, reason } = value;
  if (to === undefined) throw refusal('E103', 'to is missing', { pointer: '/to', remedy: FORM });
  if (reason !== undefined && (typeof reason !== 'string' || reason === ''))
    throw refusal('E102', 'reason is not a text', { pointer: '/reason' });
  if (typeof to !== 'number' || !Number.isSafeInteger(to) || to < 1 || to > head)
    throw refusal('OFFSET_INVALID', `to is ${JSON.stringify(to)?.slice(0, 80)}; allowed is an offset 1..${head}`, {
      pointer: '/to',
      remedy: FORM,
    });
  return { to, reason };
};

const requireSettled = async (ports: AdminPorts, offset: number): Promise<void> => {
  if (ports.events.outcomeOf(offset) !== undefined) return;
  await ports.events.settled(offset, SETTLE_MS);
  if (ports.events.outcomeOf(offset) === undefined)
    throw new TendrilError('STATE_BUSY', `event ${offset} is not folded yet`, { remedy: 'try again in a moment' });
};

const rollback = route({
  method: 'POST',
  path: '/v1/docs/{kind}/{namespace}/{name}:rollback',
  summary:
    'Write one document again as it was at an offset, or delete it when there was none: a new event, nothing is undone.',
  query: writeParams,
  versioned: true,
  body: { kinds: ['json'], description: '`{"to": offset, "reason": "why"}`' },
  answers: { ...writeAnswers, 404: 'There is none, and was none.', 412: 'Changed in the meantime (If-Match).' },
  handle: async ({ body, caller, headers, path, ports, query, requestId, signal }) => {
    const ref = refOf(path);
    const { to, reason = query.reason ?? `rollback to ${to}` } = targetOf(body, ports.events.head().offset);
    await requireSettled(ports, to);
    const document = await documentAt(ports, ref, to, signal);
    const stored = storedOf(ports, ref);
    if (document === undefined && stored === undefined) throw unknownDocument(ref);
    const { expect, conditional } = preconditionOf(headers, stored?.offset);
    const options = { ...optionsOf(caller, { ...query, reason }), ...(expect === undefined ? {} : { expect }) };
    const answer =
      document === undefined
        ? await ports.documents.delete(ref, options)
        : await ports.documents.put(ref, await ports.documents.ofJson(document, {}), options);
    return writeAnswer(answer, { request: requestId, conditional });
  },
});

export const documentHistoryRoutes: readonly AnyRoute[] = [history, ofService, rollback];
