/** All routes, and which methods an address has. */
import { openApi } from '../openapi.ts';
import { type AnyRoute, route } from '../route.ts';
import { auditRoutes } from './audit.ts';
import { documentHistoryRoutes } from './document-history.ts';
import { documentRoutes } from './documents.ts';
import { endpointRoutes } from './endpoints.ts';
import { streamRoutes } from './event-stream.ts';
import { eventRoutes } from './events.ts';
import { graphRoutes } from './graph.ts';
import { graphEdgeRoutes } from './graph-edges.ts';
import { graphStreamRoutes } from './graph-stream.ts';
import { holderRoutes } from './holders.ts';
import { operationRoutes } from './operations.ts';
import { proxyRoutes } from './proxies.ts';
import { replicaRoutes } from './replicas.ts';
import { schemaRoutes } from './schemas.ts';
import { scrubRoutes } from './scrub.ts';
import { serviceRoutes } from './services.ts';
import { snapshotRoutes } from './snapshots.ts';
import { stateRoutes } from './state.ts';

const DATA_ROUTES: readonly AnyRoute[] = [
  ...eventRoutes,
  ...streamRoutes,
  ...documentRoutes,
  ...documentHistoryRoutes,
  ...serviceRoutes,
  ...endpointRoutes,
  ...graphRoutes,
  ...graphEdgeRoutes,
  ...graphStreamRoutes,
  ...holderRoutes,
  ...proxyRoutes,
  ...replicaRoutes,
  ...auditRoutes,
  ...scrubRoutes,
  ...operationRoutes,
  ...snapshotRoutes,
  ...stateRoutes,
  ...schemaRoutes,
];

/** @param version of the package, for the description */
export const allRoutes = (version: string): readonly AnyRoute[] => {
  let description: unknown;
  const describe = route({
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This description.',
    query: {},
    answers: { 200: 'OpenAPI 3.1' },
    handle: () => {
      description ??= openApi([...DATA_ROUTES, describe], version);
      return { body: description };
    },
  });
  return [...DATA_ROUTES, describe];
};

const escapePattern = (text: string): string => text.replace(/[.*+?^$()|[\]\\]/g, '\\$&');

const patternOf = (path: string): RegExp => new RegExp(`^${escapePattern(path).replace(/\{[a-z]+\}/g, '[^/]+')}$`);

/** Methods that are possible at an address (without its query). */
export const methodsAt = (routes: readonly AnyRoute[]): ((path: string) => readonly string[]) => {
  const patterns = routes.map(({ method, path }) => ({ method, pattern: patternOf(path) }));
  return (path) => [...new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
};
