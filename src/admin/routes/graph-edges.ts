/** The operator's word on single edges: declare, pin, deny, and take it back. */
import { isObject, parseServiceName, parseTarget, TendrilError } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import { targetOf } from '../graph/index.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, durationParam, type RequestContext, route, textParam, wordParam } from '../route.ts';
import { writeAnswer } from '../write-answer.ts';

const ACTIONS: Readonly<Record<string, string>> = {
  declare: 'dependency.declared',
  pin: 'dependency.pinned',
  deny: 'dependency.denied',
};

const writeParams = {
  wait: wordParam('`applied`: answer when all xDS streams see the change.', ['applied']),
  timeout: durationParam('How long to wait; then the answer is 202.'),
  reason: textParam('Why, for the history.'),
};

const edgeOf = (path: Readonly<Record<string, string>>): { readonly from: string; readonly to: string } => {
  const from = path.from ?? '';
  const to = path.to ?? '';
  if (parseServiceName(from) === undefined)
    throw refusal('E104', `"${from.slice(0, 160)}" does not fit; allowed is <service>.<namespace>`);
  if (parseTarget(to) === undefined)
    throw refusal('E104', `"${to.slice(0, 160)}" does not fit; allowed is <service>.<namespace>[:port]`);
  return { from, to };
};

const submit = async (
  context: RequestContext<typeof writeParams>,
  type: string,
  data: { readonly from: string; readonly to: string },
) => {
  const { wait, timeout, reason } = context.query;
  const answer = await context.ports.ingest.submit({
    events: [{ type, data, ...(reason === undefined ? {} : { reason }) }],
    caller: context.caller,
    ...(wait === undefined ? {} : { wait }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
  });
  return writeAnswer(answer, { request: context.requestId });
};

const put = route({
  method: 'PUT',
  path: '/v1/graph/edges/{from}/{to}',
  summary: 'Declare, pin or deny an edge.',
  query: writeParams,
  body: {
    kinds: ['json'],
    description: '`{"action": "declare" | "pin" | "deny"}`; without a body: declare.',
    optional: true,
  },
  answers: {
    200: 'Applied.',
    202: 'Durable; not decided, or not visible yet.',
    400: 'Names or action do not fit.',
    409: 'Rejected by the fold.',
  },
  handle: async (context) => {
    const text = context.body === undefined ? '{}' : textOf(context.body.bytes);
    const body = parseJson(text.trim() === '' ? '{}' : text);
    if (!isObject(body))
      throw refusal('E102', 'the body is not an object', { pointer: '', remedy: 'send {"action":"pin"}' });
    const other = Object.keys(body).find((key) => key !== 'action');
    if (other !== undefined)
      throw refusal('E101', `unknown field "${other.slice(0, 80)}"; allowed is action`, {
        pointer: `/${other.slice(0, 80)}`,
      });
    const action = body.action ?? 'declare';
    const type = typeof action === 'string' && Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (type === undefined)
      throw refusal(
        'E102',
        `action is ${JSON.stringify(action)?.slice(0, 80)}; allowed are ${Object.keys(ACTIONS).join(', ')}`,
        { pointer: '/action' },
      );
    return submit(context, type, edgeOf(context.path));
  },
});

const remove = route({
  method: 'DELETE',
  path: '/v1/graph/edges/{from}/{to}',
  summary: 'Take back what this caller said of an edge (declaration, pin, denial). What was learned stays.',
  query: writeParams,
  answers: { 200: 'Applied.', 202: 'Durable; not decided, or not visible yet.', 404: 'There is no such edge.' },
  handle: async (context) => {
    const edge = edgeOf(context.path);
    const known = context.ports.graph.edgesOf(edge.from).some((candidate) => targetOf(candidate) === edge.to);
    if (!known)
      throw new TendrilError('EDGE_UNKNOWN', `there is no edge ${edge.from} -> ${edge.to}`, {
        remedy: `see GET /v1/graph?focus=${edge.from}`,
      });
    return submit(context, 'dependency.withdrawn', edge);
  },
});

export const graphEdgeRoutes: readonly AnyRoute[] = [put, remove];
