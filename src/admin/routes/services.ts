/** The registry: services as served, who says so, and who depends on them. */
import { parseServiceName, serviceName, TendrilError } from '../../model/index.ts';
import { edgeRow, momentOf, stampOf } from '../graph/index.ts';
import { nextField, pageOf, pageParams } from '../paging.ts';
import type { LeasesPort, ServiceView, StateView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, flagParam, integerParam, route, textParam } from '../route.ts';
import { atField, atParam, stateMoment } from '../state-moment.ts';
import { documentsOfPort } from '../why.ts';
import { leaseRow } from './leases.ts';

const GONE = 'What was then can no longer be told.';

/** Throws `SERVICE_UNKNOWN`. */
export const requireService = (
  state: Pick<StateView, 'service'>,
  path: Readonly<Record<string, string>>,
): ServiceView => {
  const name = serviceName(path.namespace ?? '', path.name ?? '');
  const service = state.service(name);
  if (service === undefined)
    throw new TendrilError('SERVICE_UNKNOWN', `there is no service ${name}`, { remedy: 'see GET /v1/services' });
  return service;
};

const summaryOf = (state: StateView, service: ServiceView) => ({
  service: service.name,
  name: parseServiceName(service.name)?.name ?? service.name,
  namespace: service.namespace,
  ports: service.ports,
  labels: service.labels,
  ...(service.externalHosts.length === 0 ? {} : { external: { hosts: service.externalHosts } }),
  visibility: service.visibility,
  endpointCount: state.endpointCount(service.name),
  sources: state.serviceFacets(service.name).map(({ source }) => source),
});

const list = route({
  method: 'GET',
  path: '/v1/services',
  summary: 'Services as served.',
  query: { ...pageParams, namespace: textParam('Only this namespace.'), at: atParam },
  answers: { 200: 'A page, ascending by `<service>.<namespace>`.', 410: GONE },
  handle: async ({ ports, query }) => {
    const suffix = query.namespace === undefined ? '' : `.${query.namespace}`;
    const moment = await stateMoment(ports, query.at);
    const { services, next } = await moment.read((state) => {
      const page = pageOf(servicesBehind(state, query.next ?? '', suffix), ({ name }) => name, query);
      const rows = page.rows.map((service) => {
        const summary = summaryOf(state, service);
        return { ...summary, endpoints: summary.endpointCount };
      });
      return { services: rows, next: page.next };
    });
    return { body: { ...atField(moment), services, ...nextField(next) }, etag: moment.offset };
  },
});

/** Ascending. Those of earlier pages are not looked at. */
function* servicesBehind(state: StateView, after: string, suffix: string): Iterable<ServiceView> {
  const names = [...state.serviceNames()].filter((name) => name > after && name.endsWith(suffix)).sort();
  for (const name of names) {
    const service = state.service(name);
    if (service !== undefined) yield service;
  }
}

type Row = ReturnType<typeof leaseRow>;

interface Leases {
  /** By endpoint id. */
  readonly held: ReadonlyMap<string, Row>;
  /** Endpoints that are not served any more, ascending. */
  readonly expired: readonly { readonly id: string; readonly lease: Row }[];
}

const NO_LEASES: Leases = { held: new Map(), expired: [] };
const MAX_EXPIRED = 1_000;

const leasesOf = (leases: LeasesPort, service: string): Leases => {
  const all = leases.leasesOf(service);
  const rows = all
    .filter(({ expired }) => expired === true)
    .map((lease) => ({ id: lease.id, lease: leaseRow(leases, lease) }));
  return {
    held: new Map(all.flatMap((lease) => (lease.expired === true ? [] : [[lease.id, leaseRow(leases, lease)]]))),
    expired: rows.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, MAX_EXPIRED),
  };
};

const withLeases = <T extends { readonly id: string }>(endpoint: T, held: Leases['held']): T & { lease?: Row } => {
  const lease = held.get(endpoint.id);
  return lease === undefined ? endpoint : { ...endpoint, lease };
};

const get = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}',
  summary: 'One service with its sources and endpoints.',
  query: {
    ...pageParams,
    limit: integerParam('Endpoints of one page.', { min: 1, max: 10_000, default: 1_000 }),
    at: atParam,
  },
  answers: {
    200: 'The service; `next` when there are more endpoints. `expired`: endpoints whose lease ran out lately.',
    404: 'There is none.',
    410: GONE,
  },
  handle: async ({ path, ports, query }) => {
    const moment = await stateMoment(ports, query.at);
    const body = await moment.read((state) => {
      const service = requireService(state, path);
      const all = state.compileInputs.endpoints(service.name).flatMap((block) => block.endpoints());
      const page = pageOf(
        all.sort((a, b) => (a.id < b.id ? -1 : 1)),
        ({ id }) => id,
        query,
      );
      const { held, expired } = query.at === undefined ? leasesOf(ports.leases, service.name) : NO_LEASES;
      return {
        ...atField(moment),
        ...summaryOf(state, service),
        interfaces: service.interfaces,
        ...(service.defaultPort === undefined ? {} : { defaultPort: service.defaultPort }),
        facets: state
          .serviceFacets(service.name)
          .map((facet) => ({ ...facet, recordedAt: new Date(facet.recordedAt).toISOString() })),
        endpoints: page.rows.map((row) => withLeases(row, held)),
        ...(expired.length === 0 ? {} : { expired }),
        ...nextField(page.next),
      };
    });
    return { body, etag: moment.offset };
  },
});

const dependents = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}/dependents',
  summary: 'Who depends on a service: callers with an edge to it.',
  query: { ...pageParams, at: atParam },
  answers: { 200: 'Callers, ascending, with their edges.', 410: GONE },
  handle: async ({ path, ports, query }) => {
    // A service that is not registered any more may still have callers: their edges are dangling.
    const name = serviceName(path.namespace ?? '', path.name ?? '');
    if (parseServiceName(name) === undefined)
      throw refusal('E104', `"${name}" does not fit; allowed are two DNS labels`);
    const moment = await momentOf(ports, query.at);
    const edges = (await moment.edges({ focus: name, depth: 1 })).filter((edge) => edge.to === name);
    const isRegistered = (await moment.services([name])).has(name);
    const callers = new Set(
      edges.filter(({ state }) => state !== 'denied' && state !== 'expired').map(({ from }) => from),
    );
    const page = pageOf([...callers].sort(), (caller) => caller, query);
    const shown = new Set(page.rows);
    return {
      body: {
        ...(moment.isPast ? { at: stampOf(moment) } : {}),
        service: name,
        registered: isRegistered,
        dependents: page.rows,
        total: callers.size,
        edges: edges.filter(({ from }) => shown.has(from)).map(edgeRow),
        ...nextField(page.next),
      },
      etag: moment.offset,
    };
  },
});

const effective = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}/effective',
  summary:
    'Route and Upstream of each port after merging, with where each value comes from; and what the service depends on.',
  query: {
    port: integerParam('Only this port.', { min: 1, max: 65_535, default: undefined }),
    origins: flagParam('With the document of every single value.'),
    at: atParam,
  },
  answers: { 200: 'Rules in the order in which they are tried.', 404: 'There is no such service or port.', 410: GONE },
  handle: async ({ path, ports, query }) => {
    const moment = await stateMoment(ports, query.at);
    const body = await moment.read((state) => {
      const service = requireService(state, path);
      const wanted = service.ports.filter(({ port }) => query.port === undefined || port === query.port);
      if (wanted.length === 0)
        throw refusal(
          'SERVICE_UNKNOWN',
          `${service.name} has no port ${query.port}; it has ${service.ports.map(({ port }) => port).join(', ')}`,
        );
      return {
        ...atField(moment),
        service: service.name,
        ports: wanted.map((port) => ({
          ...port,
          documents: documentsOfPort(state, service.name, port.port),
          route: withoutOrigins(state.compileInputs.route(service.name, port.port), query.origins),
          upstream: withoutOrigins(state.compileInputs.upstream(service.name, port.port), query.origins),
        })),
        dependency: withoutOrigins(state.graphLookup.dependency(service.name), query.origins),
      };
    });
    return { body, etag: moment.offset };
  },
});

/** Provenance maps are long; they are given when asked for. */
const withoutOrigins = <T>(value: T, keep: boolean): T => {
  if (keep || typeof value !== 'object' || value === null || value instanceof Map) return value;
  if (Array.isArray(value)) return value.map((item) => withoutOrigins(item, keep)) as T;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (key === 'provenance' ? [] : [[key, withoutOrigins(inner, keep)]])),
  ) as T;
};

export const serviceRoutes: readonly AnyRoute[] = [list, get, dependents, effective];
