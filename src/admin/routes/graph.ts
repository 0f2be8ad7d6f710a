/** The dependency graph: edges with their origin and state, and the operator's word on them. */
import { isObject, parseServiceName, parseTarget, TendrilError } from '../../model/index.ts';
import { parseJson, textOf } from '../body.ts';
import { MAX_PAGE, nextField } from '../paging.ts';
import type { EdgeView } from '../ports.ts';
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

const STATES = ['active', 'quiet', 'expiring', 'expired', 'dangling', 'denied', 'pinned'] as const;
const ACTIONS: Readonly<Record<string, string>> = {
  declare: 'dependency.declared',
  pin: 'dependency.pinned',
  deny: 'dependency.denied',
};

const targetOf = (edge: EdgeView): string => (edge.port === undefined ? edge.to : `${edge.to}:${edge.port}`);

const time = (ms: number | undefined, name: string): Readonly<Record<string, string>> =>
  ms === undefined ? {} : { [name]: new Date(ms).toISOString() };

const rowOf = ({ firstSeen, lastSeen, ...edge }: EdgeView) => ({
  ...edge,
  ...time(firstSeen, 'firstSeen'),
  ...time(lastSeen, 'lastSeen'),
});

const list = route({
  method: 'GET',
  path: '/v1/graph',
  summary: 'Nodes and edges of the dependency graph.',
  query: {
    focus: textParam('`<service>.<namespace>`: only what is around it.'),
    depth: integerParam('Steps around the focus, along and against the edges.', {
      min: 1,
      max: 10,
      default: undefined,
    }),
    state: wordParam('Only edges in this state.', STATES),
    limit: integerParam('Edges of one page.', { min: 1, max: 10 * MAX_PAGE, default: MAX_PAGE }),
    next: textParam('`next` of the page before.'),
  },
  answers: { 200: 'Edges ascending by caller and callee; nodes are the services at their ends, and the focus.' },
  handle: ({ ports, query }) => {
    if (query.focus !== undefined && parseServiceName(query.focus) === undefined)
      throw refusal('E104', `focus is "${query.focus}"; allowed is <service>.<namespace>`, { pointer: '?focus' });
    if (query.depth !== undefined && query.focus === undefined)
      throw refusal('E103', 'depth needs focus', { pointer: '?depth' });
    const edges = ports.graph.edges({
      limit: query.limit + 1,
      ...(query.focus === undefined ? {} : { focus: query.focus }),
      ...(query.depth === undefined ? {} : { depth: query.depth }),
      ...(query.state === undefined ? {} : { state: query.state }),
      ...(query.next === undefined ? {} : { after: query.next }),
    });
    const page = edges.slice(0, query.limit);
    const last = edges.length > query.limit ? page.at(-1) : undefined;
    const names = new Set(query.focus === undefined ? [] : [query.focus]);
    for (const edge of page) names.add(edge.from).add(edge.to);
    const nodes = [...names].sort().map((name) => {
      const service = ports.state.service(name);
      return {
        name,
        registered: service !== undefined,
        ...(service === undefined ? {} : { ports: service.ports, endpointCount: ports.state.endpointCount(name) }),
      };
    });
    return {
      body: {
        nodes,
        edges: page.map(rowOf),
        ...nextField(last === undefined ? undefined : `${last.from}|${targetOf(last)}`),
      },
      etag: ports.state.offset,
    };
  },
});

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
    const known = context.ports.graph
      .edges({ focus: edge.from, depth: 1 })
      .some((candidate) => candidate.from === edge.from && targetOf(candidate) === edge.to);
    if (!known)
      throw new TendrilError('EDGE_UNKNOWN', `there is no edge ${edge.from} -> ${edge.to}`, {
        remedy: `see GET /v1/graph?focus=${edge.from}`,
      });
    return submit(context, 'dependency.withdrawn', edge);
  },
});

export const graphRoutes: readonly AnyRoute[] = [list, put, remove];
