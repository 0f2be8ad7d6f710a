/** The dependency graph, now and earlier: edges, exports, what documents and use say differently, what changed. */
import { parseServiceName } from '../../model/index.ts';
import {
  allEdges,
  auditOf,
  dependencyYaml,
  diffOf,
  dotOf,
  EDGE_ORIGINS,
  EDGE_STATES,
  type EdgeFilter,
  edgePage,
  edgeRow,
  type GraphMoment,
  momentOf,
  stampOf,
} from '../graph/index.ts';
import { MAX_PAGE, nextField } from '../paging.ts';
import { placeParam } from '../place.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, integerParam, route, textParam, wordParam } from '../route.ts';

/** Edges of an answer that comes whole. A larger mesh is looked at around a service, or by namespace. */
const MAX_WHOLE = 100_000;

export const focusParams = {
  focus: textParam('`<service>.<namespace>`: only what is around it.'),
  depth: integerParam('Steps around the focus, along and against the edges.', { min: 1, max: 10, default: undefined }),
};

const filterParams = {
  ...focusParams,
  origin: wordParam('Only edges of this origin.', EDGE_ORIGINS),
  fromNamespace: textParam('Only edges of callers in this namespace.'),
  toNamespace: textParam('Only edges to services in this namespace.'),
  at: placeParam('The graph as it was then.'),
};

/** Throws E103, E104. */
export const checkFocus = ({ focus, depth }: Pick<EdgeFilter, 'focus' | 'depth'>): void => {
  if (focus !== undefined && parseServiceName(focus) === undefined)
    throw refusal('E104', `focus is "${focus}"; allowed is <service>.<namespace>`, { pointer: '?focus' });
  if (depth !== undefined && focus === undefined) throw refusal('E103', 'depth needs focus', { pointer: '?depth' });
};

const whole = async (moment: GraphMoment, filter: EdgeFilter) => {
  const { edges, more } = await allEdges(moment, filter, MAX_WHOLE);
  if (more)
    throw refusal(
      'GRAPH_TOO_LARGE',
      `there are more than ${MAX_WHOLE} edges; an answer that comes whole has at most so many`,
      {
        remedy: 'name a service with focus=, or page through GET /v1/graph',
      },
    );
  return edges;
};

/** Where what is declared is compared with what is used, origin and state narrow the answer, not what is compared. */
const compared = async (moment: GraphMoment, { origin, state, ...filter }: EdgeFilter) => ({
  all: await whole(moment, filter),
  wanted: (edge: { readonly origin: string; readonly state: string }): boolean =>
    (origin === undefined || edge.origin === origin) && (state === undefined || edge.state === state),
});

const list = route({
  method: 'GET',
  path: '/v1/graph',
  summary: 'Nodes and edges of the dependency graph, now or as it was.',
  query: {
    ...filterParams,
    state: wordParam('Only edges in this state.', EDGE_STATES),
    limit: integerParam('Edges of one page.', { min: 1, max: 10 * MAX_PAGE, default: MAX_PAGE }),
    next: textParam('`next` of the page before.'),
  },
  answers: {
    200: 'Edges ascending by caller and callee; nodes are the services at their ends, and the focus.',
    410: 'What was then can no longer be told.',
    413: 'Too many edges around the focus.',
    429: 'Too many questions about earlier graphs at once.',
  },
  handle: async ({ ports, query }) => {
    checkFocus(query);
    const moment = await momentOf(ports, query.at);
    const page = await edgePage(moment, query, query.limit, query.next);
    const names = new Set(query.focus === undefined ? [] : [query.focus]);
    for (const edge of page.edges) names.add(edge.from).add(edge.to);
    const sorted = [...names].sort();
    const services = await moment.services(sorted);
    return {
      body: {
        ...(moment.isPast ? { at: stampOf(moment) } : {}),
        nodes: sorted.map((name) => ({ name, registered: services.has(name), ...services.get(name) })),
        edges: page.edges.map(edgeRow),
        ...nextField(page.next),
      },
      etag: moment.offset,
    };
  },
});

const EXPORTS = ['dot', 'json', 'dependency'] as const;

const exported = route({
  method: 'GET',
  path: '/v1/graph/export',
  summary: 'The graph for other tools: DOT, JSON, or `Dependency` documents of what was learned.',
  query: {
    ...filterParams,
    state: wordParam('Only edges in this state.', EDGE_STATES),
    as: wordParam('Form; default json.', EXPORTS),
  },
  answers: {
    200: 'text/vnd.graphviz, application/json, or text/yaml that `apply` takes as it is.',
    413: 'Too many edges.',
  },
  handle: async ({ ports, query }) => {
    checkFocus(query);
    const moment = await momentOf(ports, query.at);
    const etag = moment.offset;
    if (query.as === 'dependency') {
      const { all, wanted } = await compared(moment, query);
      const body = await dependencyYaml(ports.state, moment, all, wanted);
      return { body, type: 'text/yaml; charset=utf-8', etag };
    }
    const edges = await whole(moment, query);
    if (query.as === 'dot') return { body: dotOf(edges), type: 'text/vnd.graphviz; charset=utf-8', etag };
    return { body: { ...stampOf(moment), edges: edges.map(edgeRow) }, etag };
  },
});

const audit = route({
  method: 'GET',
  path: '/v1/graph/audit',
  summary: 'Edges declared and not used, used and not declared, with the documents that would settle it.',
  query: filterParams,
  answers: { 200: 'Findings by caller and callee, and documents; no finding: both agree.', 413: 'Too many edges.' },
  handle: async ({ ports, query }) => {
    checkFocus(query);
    const moment = await momentOf(ports, query.at);
    const { all, wanted } = await compared(moment, query);
    const edges = all.filter(wanted).length;
    return {
      body: { ...stampOf(moment), edges, ...(await auditOf(ports, moment, all, wanted)) },
      etag: moment.offset,
    };
  },
});

const diff = route({
  method: 'GET',
  path: '/v1/graph/diff',
  summary: 'Edges that came, went or changed between two moments.',
  query: { ...focusParams, from: placeParam('The earlier moment.'), to: placeParam('The later one; default: now.') },
  answers: {
    200: 'Edges, and the same as RFC 6902 operations.',
    410: 'What was then can no longer be told.',
    413: 'Too many edges.',
  },
  handle: async ({ ports, query }) => {
    checkFocus(query);
    if (query.from === undefined)
      throw refusal('E103', 'from is missing', {
        pointer: '?from',
        remedy: 'such as ?from=812 or ?from=2026-05-01T12:00:00Z',
      });
    const [before, after] = [await momentOf(ports, query.from), await momentOf(ports, query.to)];
    const [then, later] = [await whole(before, query), await whole(after, query)];
    return { body: { from: stampOf(before), to: stampOf(after), ...diffOf(then, later) }, etag: after.offset };
  },
});

export const graphRoutes: readonly AnyRoute[] = [list, exported, audit, diff];
