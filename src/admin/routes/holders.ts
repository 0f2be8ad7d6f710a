/** Who holds what: connected sidecars that have resources of a service, or that a document concerns. */
import { type PolicyDocument, parseScopeKey, parseServiceName, scopeKeyOf, serviceName } from '../../model/index.ts';
import { nextField, pageOf, pageParams } from '../paging.ts';
import type { AdminPorts, DocumentView, HolderView } from '../ports.ts';
import { refusal } from '../problem.ts';
import { type AnyRoute, flagParam, integerParam, route } from '../route.ts';
import { documentsOfPort } from '../why.ts';
import { keyOf, refOf, storedOf, unknownDocument } from './document-parts.ts';

const namespaceOf = (service: string): string => service.slice(service.lastIndexOf('.') + 1);

interface Holders {
  readonly holders: readonly HolderView[];
  /** All workers answered in time. */
  readonly complete: boolean;
}

const page = ({ holders, complete }: Holders, query: { readonly limit: number; readonly next: string | undefined }) => {
  const { rows, next } = pageOf(holders, ({ id }) => id, query);
  return { holders: rows, total: holders.length, ...(complete ? {} : { complete }), ...nextField(next) };
};

const PAGE_SAYS = 'A page, ascending by id of the sidecar; `complete: false`: not all workers answered.';

const ofService = route({
  method: 'GET',
  path: '/v1/services/{namespace}/{name}/holders',
  summary: 'Connected sidecars that hold resources of a service.',
  query: {
    ...pageParams,
    port: integerParam('Only of this port.', { min: 1, max: 65_535, default: undefined }),
    pending: flagParam('Only those that have not acknowledged the endpoints of the service as they are now.'),
  },
  answers: { 200: PAGE_SAYS },
  handle: async ({ path, ports, query }) => {
    const name = serviceName(path.namespace ?? '', path.name ?? '');
    if (parseServiceName(name) === undefined)
      throw refusal('E104', `"${name}" does not fit; allowed are two DNS labels`);
    const wanted = query.port === undefined ? undefined : `${name}:${query.port}`;
    const { holders: all, complete } = await ports.proxies.holders([name]);
    const holders = all.filter(
      ({ ports: held, pending }) => (wanted === undefined || held.includes(wanted)) && (!query.pending || pending > 0),
    );
    return {
      body: {
        service: name,
        ...(query.port === undefined ? {} : { port: query.port }),
        ...page({ holders, complete }, query),
      },
      etag: ports.state.offset,
    };
  },
});

/** Some milliseconds: of each, the routes and clusters of all its ports are looked at. */
const SERVICES_PER_TURN = 64;

/**
 * Services that a document shapes: of those in its scope, those in whose routes or clusters something comes from it. In slices: the core
 * has other things to do in between.
 */
export const servicesOf = async (ports: AdminPorts, stored: DocumentView): Promise<readonly string[]> => {
  const scope = parseScopeKey(scopeKeyOf(stored.document as unknown as PolicyDocument));
  if (scope?.kind === 'service') return [scope.service];
  const key = keyOf(stored);
  const shaped: string[] = [];
  let inTurn = 0;
  for (const name of [...ports.state.serviceNames()]) {
    if (scope?.kind === 'namespace' && namespaceOf(name) !== scope.namespace) continue;
    if (++inTurn % SERVICES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    if (ports.state.service(name)?.ports.some(({ port }) => documentsOfPort(ports.state, name, port).includes(key)))
      shaped.push(name);
  }
  return shaped;
};

/** A Dependency is about callers: their sidecars are concerned, whatever they hold. */
const callersOf = async (ports: AdminPorts, stored: DocumentView): Promise<Holders> => {
  const scope = parseScopeKey(scopeKeyOf(stored.document as unknown as PolicyDocument));
  const { proxies, complete } = await ports.proxies.list();
  const holders = proxies
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
      pending: 0,
    }));
  return { holders, complete };
};

const ofDocument = route({
  method: 'GET',
  path: '/v1/docs/{kind}/{namespace}/{name}/holders',
  summary:
    'Connected sidecars that hold something which a document shapes; of a Dependency, the sidecars of its callers.',
  query: pageParams,
  answers: { 200: PAGE_SAYS, 404: 'There is none.' },
  handle: async ({ path, ports, query }) => {
    const ref = refOf(path);
    const stored = storedOf(ports, ref);
    if (stored === undefined) throw unknownDocument(ref);
    const services = ref.kind === 'Dependency' ? [] : await servicesOf(ports, stored);
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
