/** The state as a whole, now or as it was: counts, lists, what differs between two moments, proof. */
import { changeOf } from '../change.ts';
import { edgePage, edgeRow, momentOf } from '../graph/index.ts';
import { MAX_PAGE, nextField, pageOf, pageParams } from '../paging.ts';
import { offsetOf, type Place, placeParam, type Stamp } from '../place.ts';
import type { AdminPorts, ChangedEntity, ProofView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, integerParam, route, textParam, wordParam } from '../route.ts';
import { atField, atParam, type StateMoment, stateMoment } from '../state-moment.ts';

const GONE = 'What was then can no longer be told.';
const KINDS = ['service', 'endpoint', 'document', 'edge'] as const;

interface ListQuery {
  readonly namespace: string | undefined;
  readonly limit: number;
  readonly next: string | undefined;
}

interface Entity {
  readonly subject: string;
  readonly [more: string]: unknown;
}

/** `<service>.<namespace>` -> `<namespace>/<service>` */
const pathOf = (service: string): string => service.split('.').toReversed().join('/');

/**
 * Services of a namespace in order of their subjects; those of earlier pages are left out.
 * @param behind what follows the service in a subject
 */
function* namesIn(names: Iterable<string>, { namespace, next }: ListQuery, behind: '' | '/'): Iterable<string> {
  const paths = [...names]
    .map((name) => `${pathOf(name)}${behind}`)
    .filter((path) => namespace === undefined || path.startsWith(`${namespace}/`));
  const last = next === undefined ? '' : `${next.split('/').slice(1, 3).join('/')}${behind}`;
  for (const path of paths.sort()) {
    const [within, name] = path.split('/');
    if (path >= last) yield `${name}.${within}`;
  }
}

const services = (moment: StateMoment, query: ListQuery) =>
  moment.read((state) => {
    function* rows(): Iterable<Entity> {
      for (const name of namesIn(state.serviceNames(), query, '')) {
        const subject = `service/${pathOf(name)}`;
        const service = query.next !== undefined && subject <= query.next ? undefined : state.service(name);
        if (service !== undefined)
          yield { ...service, subject, sources: state.serviceFacets(name).map(({ source }) => source) };
      }
    }
    return pageOf(rows(), ({ subject }) => subject, query);
  });

const endpoints = (moment: StateMoment, query: ListQuery) =>
  moment.read((state) => {
    function* rows(): Iterable<Entity> {
      for (const name of namesIn(state.serviceNames(), query, '/')) {
        if (state.service(name) === undefined) continue;
        const all = state.compileInputs.endpoints(name).flatMap((block) => block.endpoints());
        for (const endpoint of all.sort((a, b) => (a.id < b.id ? -1 : 1)))
          yield { ...endpoint, subject: `endpoint/${pathOf(name)}/${endpoint.id}` };
      }
    }
    return pageOf(rows(), ({ subject }) => subject, query);
  });

const documents = (moment: StateMoment, query: ListQuery) =>
  moment.read((state) => {
    function* rows(): Iterable<Entity> {
      for (const { kind, namespace, name, offset, source, document } of state.policies(
        undefined,
        query.next?.slice('policy/'.length),
      ))
        if (query.namespace === undefined || namespace === query.namespace)
          yield { subject: `policy/${kind}/${namespace}/${name}`, offset, source, document };
    }
    return pageOf(rows(), ({ subject }) => subject, query);
  });

const edges = async (ports: AdminPorts, at: Place | undefined, { namespace, limit, next }: ListQuery) => {
  const moment = await momentOf(ports, at);
  const filter = namespace === undefined ? {} : { fromNamespace: namespace };
  const page = await edgePage(moment, filter, limit, next);
  const rows = page.edges.map((edge) => ({
    subject: `edge/${edge.from}/${edge.to}${edge.port === undefined ? '' : `:${edge.port}`}`,
    ...edgeRow(edge),
  }));
  return { rows, next: page.next };
};

const listed = (
  ports: AdminPorts,
  moment: StateMoment,
  at: Place | undefined,
  query: ListQuery & { readonly kind: (typeof KINDS)[number] },
) => {
  switch (query.kind) {
    case 'service':
      return services(moment, query);
    case 'endpoint':
      return endpoints(moment, query);
    case 'document':
      return documents(moment, query);
    case 'edge':
      return edges(ports, at, query);
  }
};

const state = route({
  method: 'GET',
  path: '/v1/state',
  summary: 'How many entities there are, or were, with the proof of that state; with `kind`, the entities themselves.',
  query: {
    ...pageParams,
    kind: wordParam('List entities of this kind; endpoints are those of registered services.', KINDS),
    namespace: textParam('Only entities of this namespace (of an edge: of its caller). Needs `kind`.'),
    at: atParam,
  },
  answers: { 200: 'Counts; or a page, ascending by subject.', 410: GONE, 429: 'Too many such questions at once.' },
  handle: async ({ ports, query }) => {
    const moment = await stateMoment(ports, query.at);
    const { kind } = query;
    if (kind === undefined) {
      if (query.namespace !== undefined) throw refusal('E103', 'namespace needs kind', { pointer: '?kind' });
      const proof = ports.proof(moment.offset);
      const time = new Date(moment.time).toISOString();
      return {
        body: {
          ...atField(moment),
          offset: moment.offset,
          time,
          counts: await moment.counts(),
          ...(proof.offset === moment.offset ? { hash: proof.hash, foldVersion: proof.foldVersion } : {}),
        },
        etag: moment.offset,
      };
    }
    const page = await listed(ports, moment, query.at, { ...query, kind });
    return { body: { ...atField(moment), entities: page.rows, ...nextField(page.next) }, etag: moment.offset };
  },
});

const stampAt = async (ports: AdminPorts, place: Place | undefined): Promise<Stamp> => {
  if (place === undefined) return { offset: ports.state.offset, time: new Date().toISOString() };
  const offset = offsetOf(ports, place);
  const { recordedAt } = await ports.past.stateAt(offset);
  return { offset, time: new Date('time' in place ? place.time : recordedAt).toISOString() };
};

const rowOf = ({ subject, before, after }: ChangedEntity) => ({ subject, ...changeOf(before, after) });

const inNamespace = (subject: string, namespace: string): boolean => {
  const [family, first, second] = subject.split('/');
  if (family === 'policy') return second === namespace;
  if (family === 'edge') return first?.endsWith(`.${namespace}`) === true;
  return (family === 'service' || family === 'endpoint') && first === namespace;
};

const diff = route({
  method: 'GET',
  path: '/v1/state/diff',
  summary: 'Entities that came, went or changed between two moments, each with an RFC 6902 patch and lines for people.',
  query: {
    from: placeParam('The earlier moment.'),
    to: placeParam('The later one; default: now.'),
    kind: wordParam('Only entities of this kind.', [...KINDS, 'raw']),
    namespace: textParam('Only entities of this namespace (of an edge: of its caller).'),
    subject: textParam('This entity alone, such as `policy/Route/shop/cart` or `service/shop/cart`.'),
    limit: integerParam('Subjects looked at for one page, about.', { min: 1, max: MAX_PAGE, default: 200 }),
    next: integerParam('`next` of the page before.', { min: 1, max: Number.MAX_SAFE_INTEGER, default: undefined }),
  },
  answers: {
    200: 'A page, by the first event of each entity in between; a filter, or events that changed nothing, make it short.',
    410: GONE,
    429: 'Too many such questions at once.',
  },
  handle: async ({ ports, query }) => {
    if (query.from === undefined)
      throw refusal('E103', 'from is missing', {
        pointer: '?from',
        remedy: 'such as ?from=812 or ?from=2026-05-01T12:00:00Z',
      });
    const [from, to] = [await stampAt(ports, query.from), await stampAt(ports, query.to)];
    if (from.offset > to.offset)
      throw refusal(
        'OFFSET_INVALID',
        `from is offset ${from.offset}, to is ${to.offset}; from has to be the earlier one`,
        {
          pointer: '?from',
          remedy: 'exchange the two',
        },
      );
    const { kind, namespace, subject, next } = query;
    const page = await ports.past.diff({
      from: from.offset,
      to: to.offset,
      limit: query.limit,
      ...(next === undefined ? {} : { after: next }),
      ...(subject === undefined ? {} : { subject }),
    });
    const family = kind === 'document' ? 'policy/' : kind === 'raw' ? 'resource/' : `${kind}/`;
    const wanted = page.entities.filter(
      (entity) =>
        (kind === undefined || entity.subject.startsWith(family)) &&
        (namespace === undefined || inNamespace(entity.subject, namespace)),
    );
    return { body: { from, to, entities: wanted.map(rowOf), ...nextField(page.next) }, etag: to.offset };
  },
});

const hash = route({
  method: 'GET',
  path: '/v1/state/hash',
  summary: 'Hash of the state, to compare replicas: equal offset and fold version give equal hashes.',
  query: { at: placeParam('The newest proof at or below it: `offset` is that of the proof.') },
  answers: { 200: '`{offset, hash, foldVersion}`; `exact` with `at`: it is that of the offset asked for.', 410: GONE },
  handle: async ({ ports, query }) => {
    if (query.at === undefined) {
      const proof: ProofView = ports.proof();
      return { body: proof, etag: proof.offset };
    }
    const at = await stampAt(ports, query.at);
    const proof = ports.proof(at.offset);
    return { body: { ...proof, exact: proof.offset === at.offset, at }, etag: proof.offset };
  },
});

export const stateRoutes: readonly AnyRoute[] = [state, diff, hash];
