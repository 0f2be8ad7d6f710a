/** The registry: services as served, who says so, and who depends on them. */
import { parseServiceName, serviceName, TendrilError } from '../../model/index.ts';
import { edgeRow } from '../graph/index.ts';
import { nextField, pageOf, pageParams } from '../paging.ts';
import type { AdminPorts, ServiceView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, flagParam, integerParam, route, textParam } from '../route.ts';
import { documentsOfPort } from '../why.ts';

/** Throws `SERVICE_UNKNOWN`. */
export const requireService = (ports: AdminPorts, path: Readonly<Record<string, string>>): ServiceView => {
  const name = serviceName(path.namespace ?? '', path.name ?? '');
  const service = ports.state.service(name);
  if (service === undefined)
    throw new TendrilError('SERVICE_UNKNOWN', `there is no service ${name}`, { remedy: 'see GET /v1/services' });
  return service;
};

const summaryOf = (ports: AdminPorts, service: ServiceView) => ({
  service: service.name,
  name: parseServiceName(service.name)?.name ?? service.name,
  namespace: service.namespace,
  ports: service.ports,
  labels: service.labels,
  ...(service.externalHosts.length === 0 ? {} : { external: { hosts: service.externalHosts } }),
  visibility: service.visibility,
  endpointCount: ports.state.endpointCount(service.name),
  sources: ports.state.serviceFacets(service.name).map(({ source }) => source),
});

const list = route({
  method: 'GET',
  path: '/v1/services',
  summary: 'Services as served.',
  query: { ...pageParams, namespace: textParam('Only this namespace.') },
  answers: { 200: 'A page, ascending by `<service>.<namespace>`.' },
  handle: ({ ports, query }) => {
    const suffix = query.namespace === undefined ? '' : `.${query.namespace}`;
    const names = [...ports.state.serviceNames()].filter((name) => name.endsWith(suffix)).sort();
    const page = pageOf(names, (name) => name, query);
    const services = page.rows.flatMap((name) => {
      const service = ports.state.service(name);
      if (service === undefined) return [];
      const summary = summaryOf(ports, service);
      return [{ ...summary, endpoints: summary.endpointCount }];
    });
    return { body: { services, ...nextField(page.next) }, etag: ports.state.offset };
  },
});

const get = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}',
  summary: 'One service with its sources and endpoints.',
  query: { ...pageParams, limit: integerParam('Endpoints of one page.', { min: 1, max: 10_000, default: 1_000 }) },
  answers: { 200: 'The service; `next` when there are more endpoints.', 404: 'There is none.' },
  handle: ({ path, ports, query }) => {
    const service = requireService(ports, path);
    const all = ports.state.compileInputs.endpoints(service.name).flatMap((block) => block.endpoints());
    const page = pageOf(
      all.sort((a, b) => (a.id < b.id ? -1 : 1)),
      ({ id }) => id,
      query,
    );
    return {
      body: {
        ...summaryOf(ports, service),
        interfaces: service.interfaces,
        ...(service.defaultPort === undefined ? {} : { defaultPort: service.defaultPort }),
        facets: ports.state
          .serviceFacets(service.name)
          .map((facet) => ({ ...facet, recordedAt: new Date(facet.recordedAt).toISOString() })),
        endpoints: page.rows,
        ...nextField(page.next),
      },
      etag: ports.state.offset,
    };
  },
});

const dependents = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}/dependents',
  summary: 'Who depends on a service: callers with an edge to it.',
  query: pageParams,
  answers: { 200: 'Callers, ascending, with their edges.' },
  handle: ({ path, ports, query }) => {
    // A service that is not registered any more may still have callers: their edges are dangling.
    const name = serviceName(path.namespace ?? '', path.name ?? '');
    if (parseServiceName(name) === undefined)
      throw refusal('E104', `"${name}" does not fit; allowed are two DNS labels`);
    const edges = ports.graph.edges({ focus: name, depth: 1, now: Date.now() }).filter((edge) => edge.to === name);
    const callers = new Set(
      edges.filter(({ state }) => state !== 'denied' && state !== 'expired').map(({ from }) => from),
    );
    const page = pageOf([...callers].sort(), (caller) => caller, query);
    const shown = new Set(page.rows);
    return {
      body: {
        service: name,
        registered: ports.state.service(name) !== undefined,
        dependents: page.rows,
        total: callers.size,
        edges: edges.filter(({ from }) => shown.has(from)).map(edgeRow),
        ...nextField(page.next),
      },
      etag: ports.state.offset,
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
  },
  answers: { 200: 'Rules in the order in which they are tried.', 404: 'There is no such service or port.' },
  handle: ({ path, ports, query }) => {
    const service = requireService(ports, path);
    const wanted = service.ports.filter(({ port }) => query.port === undefined || port === query.port);
    if (wanted.length === 0)
      throw refusal(
        'SERVICE_UNKNOWN',
        `${service.name} has no port ${query.port}; it has ${service.ports.map(({ port }) => port).join(', ')}`,
      );
    return {
      body: {
        service: service.name,
        ports: wanted.map((port) => ({
          ...port,
          documents: documentsOfPort(ports.state, service.name, port.port),
          route: withoutOrigins(ports.state.compileInputs.route(service.name, port.port), query.origins),
          upstream: withoutOrigins(ports.state.compileInputs.upstream(service.name, port.port), query.origins),
        })),
        dependency: withoutOrigins(ports.state.graphLookup.dependency(service.name), query.origins),
      },
      etag: ports.state.offset,
    };
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
