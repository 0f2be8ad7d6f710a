/** Replicas of this control plane: who there is, how they stand, and what they ask each other. */
import { isObject, TendrilError } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, route, textParam } from '../route.ts';

const list = route({
  method: 'GET',
  path: '/v1/replicas',
  summary:
    'All replicas on this log: where they stand, which one keeps the edges, and whether their states are the same.',
  query: {},
  answers: { 200: '`{replicas: […], comparison: {verdict: alone | agree | odd | others | tied, offset?, …}}`' },
  handle: ({ ports }) => ({ body: { replicas: ports.replicas.rows(), comparison: ports.replicas.comparison() } }),
});

const remove = route({
  method: 'DELETE',
  path: '/v1/replicas/{id}',
  summary: 'Take a replica that is gone for good out of the list. One that lives comes back by itself.',
  query: { reason: textParam('Why, for the history.') },
  answers: { 200: 'It is out.', 404: 'There is none of that name.' },
  handle: async ({ ports, path, query, caller }) => {
    const id = path.id ?? '';
    if (!(await ports.replicas.remove(id, caller, query.reason ?? 'taken out by an operator')))
      throw new TendrilError('REPLICA_UNKNOWN', `there is no replica "${id.slice(0, 128)}"`, {
        remedy: 'see GET /v1/replicas',
      });
    return { body: { replica: id, removed: true } };
  },
});

const statement = route({
  method: 'GET',
  path: '/v1/replica',
  summary: 'What this replica says of itself: name, offset, and proofs of its state, newest first.',
  query: {},
  answers: { 200: '`{id, mesh, version, state, offset, sidecars, proofs: [{offset, hash, chain, foldVersion}]}`' },
  handle: ({ ports }) => ({ body: ports.replicas.statement() }),
});

const WORDS = ['reporting', 'presence', 'leases'];

const isLeaseList = (list: unknown): boolean =>
  Array.isArray(list) &&
  list.length <= 1_000 &&
  list.every(
    (row) =>
      Array.isArray(row) &&
      row.length === 4 &&
      row.slice(0, 3).every((part) => typeof part === 'string') &&
      Number.isSafeInteger(row[3]),
  );

const ask = route({
  method: 'POST',
  path: '/v1/replica:ask',
  summary:
    'Between replicas: what the keeper of another one asks the xDS workers of this one, or (`leases`) how long leases were silent here.',
  query: {},
  body: { kinds: ['json'], description: '`{"term": N, "question": {"what": "reporting" | "presence" | "leases", …}}`' },
  answers: { 200: '`{answers: […], complete}`', 409: 'The term of that keeper is over.' },
  handle: async ({ ports, body }) => {
    const asked = body === undefined ? undefined : parseJson(textOf(body.bytes));
    const question = isObject(asked) ? asked.question : undefined;
    const term = isObject(asked) ? asked.term : undefined;
    if (!isObject(question) || typeof question.what !== 'string' || !WORDS.includes(question.what))
      throw refusal('E102', 'question.what is missing or unknown; allowed are reporting, presence, leases', {
        pointer: '/question/what',
      });
    if (question.what === 'leases' && !isLeaseList(question.leases))
      throw refusal('E102', 'question.leases is no list of at most 1,000 [service, id, source, offset]', {
        pointer: '/question/leases',
      });
    if (!Number.isSafeInteger(term)) throw refusal('E102', 'term is not a whole number', { pointer: '/term' });
    return { body: await ports.replicas.ask(term as number, question) };
  },
});

export const replicaRoutes: readonly AnyRoute[] = [list, remove, statement, ask];
