/** Who holds what: connected sidecars that have resources of a service, or that a document concerns. */
import { type PolicyDocument, parseScopeKey, parseServiceName, scopeKeyOf, serviceName } from '../../model/index.ts';
import { nextField, pageOf, pageParams } from '../paging.ts';
import type { AdminPorts, DocumentView, HolderView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, integerParam, route } from '../route.ts';
import { documentsOfPort } from '../why.ts';
import { keyOf, refOf, storedOf, unknownDocument } from './document-parts.ts';

const namespaceOf = (service: string): string => service.slice(service.lastIndexOf('.') + 1);

const page = (holders: readonly HolderView[], query: { readonly limit: number; readonly next: string | undefined }) => {
  const { rows, next } = pageOf(holders, ({ id }) => id, query);
  return { holders: rows, total: holders.length, ...nextField(next) };
};

const ofService = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}/holders',
  summary: 'Connected sidecars that hold resources of a service.',
  query: { ...pageParams, port: integerParam('Only of this port.', { min: 1, max: 65_535, default: undefined }) },
  answers: { 200: 'A page, ascending by id of the sidecar.' },
  handle: async ({ path, ports, query }) => {
    const name = serviceName(path.namespace ?? '', path.name ?? '');
    if (parseServiceName(name) === undefined)
      throw refusal('E104', `"${name}" does not fit; allowed are two DNS labels`);
    const wanted = query.port === undefined ? undefined : `${name}:${query.port}`;
    const holders = (await ports.proxies.holders([name])).filter(
      ({ ports: held }) => wanted === undefined || held.includes(wanted),
    );
    return {
      body: { service: name, ...(query.port === undefined ? {} : { port: query.port }), ...page(holders, query) },
      etag: ports.state.offset,
    };
  },
});

/** Services that a document shapes: of those in its scope, those in whose routes or clusters something comes from it. */
const servicesOf = (ports: AdminPorts, stored: DocumentView): readonly string[] => {
  const scope = parseScopeKey(scopeKeyOf(stored.document as unknown as PolicyDocument));
  if (scope?.kind === 'service') return [scope.service];
  const key = keyOf(stored);
  return [...ports.state.serviceNames()].filter((name) => {
    if (scope?.kind === 'namespace' && namespaceOf(name) !== scope.namespace) return false;
    return ports.state.service(name)?.ports.some(({ port }) => documentsOfPort(ports.state, name, port).includes(key));
  });
};

/** A Dependency is about callers: their sidecars are concerned, whatever they hold. */
const callersOf = async (ports: AdminPorts, stored: DocumentView): Promise<readonly HolderView[]> => {
  const scope = parseScopeKey(scopeKeyOf(stored.document as unknown as PolicyDocument));
  const sidecars = await ports.proxies.list();
  return sidecars
    .filter(({ service }) => {
      if (scope?.kind === 'service') return service === scope.service;
      return scope?.kind !== 'namespace' || namespaceOf(service) === scope.namespace;
    })
    .map(({ id, service, holds, refused }) => ({
      id,
      service,
      ports: [],
      resources: holds,
      refused: typeof refused === 'number' ? refused : 0,
    }));
};

const ofDocument = route({
  method: 'GET',
  path: '/v1/docs/{kind}/{namespace}/{name}/holders',
  summary:
    'Connected sidecars that hold something which a document shapes; of a Dependency, the sidecars of its callers.',
  query: pageParams,
  answers: { 200: 'A page, ascending by id of the sidecar.', 404: 'There is none.' },
  handle: async ({ path, ports, query }) => {
    const ref = refOf(path);
    const stored = storedOf(ports, ref);
    if (stored === undefined) throw unknownDocument(ref);
    const services = ref.kind === 'Dependency' ? [] : servicesOf(ports, stored);
    const holders = ref.kind === 'Dependency' ? await callersOf(ports, stored) : await ports.proxies.holders(services);
    return {
      body: {
        document: keyOf(ref),
        scope: scopeKeyOf(stored.document as unknown as PolicyDocument),
        services: services.length,
        ...page(holders, query),
      },
      etag: ports.state.offset,
    };
  },
});

export const holderRoutes: readonly AnyRoute[] = [ofService, ofDocument];
