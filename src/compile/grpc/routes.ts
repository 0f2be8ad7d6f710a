/**
 * The route configuration of a gRPC client: the routes of a service port's virtual host, as far as clients can follow them
 * (docs/proxyless.md has the table). One virtual host with the domain `*`: whatever authority the application gives, the target
 * has chosen the service already.
 *
 * Left out because no client knows it: rewrites, mirrors, changes of headers, faults, idle time-outs, per-try time-outs. A route
 * whose action clients do not have (redirect, direct response) leads to a cluster without endpoints, so that the call fails
 * instead of going where it should not. `non_forwarding_action` would say the same, but crashes grpc-js 1.14.
 */
import {
  type IDuration,
  type IRetryPolicy,
  type IRoute,
  type IRouteAction,
  type Route,
  type RouteAction,
  RouteConfiguration,
  VirtualHost,
} from '../../proto/index.ts';
import type { OwnResource } from '../types.ts';
import { resource, wrapped } from '../values.ts';
import { isTextKey } from './headers.ts';
import { grpcMatches } from './match.ts';

/** A cluster without endpoints: of routes that gRPC clients cannot follow, and of targets that they may not call. */
export const NOWHERE = 'nowhere';

const MAX_UINT32 = 0xffffffff;
/** gRPC makes at most 5 attempts. */
const MAX_RETRIES = 4;
const RETRY_WORDS = ['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'];

const isPositive = (duration: IDuration | null | undefined): duration is IDuration =>
  duration != null && ((duration.seconds ?? 0) > 0 || (duration.nanos ?? 0) > 0);

const inMs = ({ seconds, nanos }: IDuration): number => Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6;

/** The smaller of `timeout` and the life of a stream, without which the application's deadline alone counts. */
const maxStreamDuration = ({ timeout, maxStreamDuration: stream }: RouteAction): IRouteAction['maxStreamDuration'] => {
  const given: (IDuration | null | undefined)[] = [timeout, stream?.maxStreamDuration];
  const [shortest] = given.filter(isPositive).sort((a, b) => inMs(a) - inMs(b));
  return shortest === undefined ? undefined : { maxStreamDuration: shortest };
};

const backOff = ({ retryBackOff }: NonNullable<RouteAction['retryPolicy']>): IRetryPolicy['retryBackOff'] => {
  const base = retryBackOff?.baseInterval;
  if (!isPositive(base)) return undefined;
  const max = retryBackOff?.maxInterval;
  return { baseInterval: base, maxInterval: isPositive(max) ? (inMs(max) < inMs(base) ? base : max) : undefined };
};

/** Only gRPC status names count; calls that never reached a server are retried by gRPC itself. */
const retryPolicy = ({ retryPolicy: policy }: RouteAction): IRetryPolicy | undefined => {
  const words = policy?.retryOn.split(',').filter((word) => RETRY_WORDS.includes(word)) ?? [];
  const retries = policy?.numRetries?.value ?? 1;
  if (policy === null || words.length === 0 || retries === 0) return undefined;
  return {
    retryOn: words.join(','),
    numRetries: wrapped(Math.min(retries, MAX_RETRIES)),
    retryBackOff: backOff(policy),
  };
};

/** Keys of ring hash: headers only. */
const hashPolicy = ({ hashPolicy: policies }: RouteAction): IRouteAction['hashPolicy'] =>
  policies.flatMap(({ header, terminal }) => {
    const headerName = header?.headerName.toLowerCase() ?? '';
    return isTextKey(headerName) ? [{ header: { headerName }, terminal }] : [];
  });

/** Undefined: not a destination that gRPC clients take. */
const destination = (action: RouteAction): IRouteAction | undefined => {
  if (action.clusterSpecifier === 'cluster') return { cluster: action.cluster };
  const clusters = (action.weightedClusters?.clusters ?? []).flatMap(({ name, weight }) =>
    weight === null || weight.value === 0 ? [] : [{ name, weight: wrapped(weight.value) }],
  );
  const [only] = clusters;
  if (clusters.length === 1 && only !== undefined) return { cluster: only.name };
  const sum = clusters.reduce((total, { weight }) => total + weight.value, 0);
  return sum === 0 || sum > MAX_UINT32 ? undefined : { weightedClusters: { clusters } };
};

const routeAction = ({ route: action }: Route): IRouteAction => {
  const to = action === null ? undefined : destination(action);
  if (action === null || to === undefined) return { cluster: NOWHERE };
  return {
    ...to,
    maxStreamDuration: maxStreamDuration(action),
    retryPolicy: retryPolicy(action),
    hashPolicy: hashPolicy(action),
  };
};

const grpcRoute = (route: Route): readonly IRoute[] => {
  if (route.match === null) return [];
  const action = routeAction(route);
  return grpcMatches(route.match).map((match, index) => ({
    name: index === 0 ? route.name : `${route.name}~grpc${index + 1}`,
    match,
    route: action,
  }));
};

/** `virtualHost`: bytes of the service port's virtual host (resource `vhds`), with or without its name. */
export const grpcRoutes = (name: string, virtualHost: Uint8Array): OwnResource => {
  const { routes } = VirtualHost.decode(virtualHost);
  return resource(RouteConfiguration, {
    name,
    virtualHosts: [{ name, domains: ['*'], routes: routes.flatMap(grpcRoute) }],
  });
};

/** What stands for the routes of a target that has none: all calls go to one cluster. */
export const grpcRoutesTo = (target: string, cluster: string): OwnResource =>
  resource(RouteConfiguration, {
    name: target,
    virtualHosts: [
      { name: target, domains: ['*'], routes: [{ name: target, match: { prefix: '/' }, route: { cluster } }] },
    ],
  });
