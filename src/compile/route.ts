/** One rule of a Route -> Envoy routes (policies.md section 3). */
import type { ResolvedHashKey, ResolvedRetry, ResolvedRouteRule } from '../model/index.ts';
import {
  type envoy,
  type IMetadata,
  type IRetryPolicy,
  type IRoute,
  type IRouteAction,
  PreviousHosts,
  packAny,
  TYPE_URLS,
  toStruct,
} from '../proto/index.ts';
import { routeMatches } from './route-match.ts';
import type { WeightedTarget } from './targets.ts';
import { duration, wrapped } from './values.ts';

type HashPolicy = envoy.config.route.v3.RouteAction.IHashPolicy;

/** A retry goes to another endpoint when one of three picks finds one. */
const OTHER_ENDPOINT = {
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typedConfig: packAny(TYPE_URLS.PreviousHosts, PreviousHosts, {}),
    },
  ],
  hostSelectionRetryMaxAttempts: 3,
};

const retryWords = ({ when }: ResolvedRetry): readonly string[] => [
  ...(when.connect ? ['connect-failure'] : []),
  ...(when.refused ? ['refused-stream'] : []),
  ...(when.unprocessed ? ['reset-before-request'] : []),
  ...(when.reset ? ['reset'] : []),
  ...(when.gateway ? ['gateway-error'] : []),
  ...(when.status.length > 0 ? ['retriable-status-codes'] : []),
  ...when.grpc,
];

/** Undefined: no retries. Back-off is Envoy's default, which is ours too: 25 ms to 250 ms, jittered. */
export const retryPolicy = (retry: ResolvedRetry): IRetryPolicy | undefined => {
  const words = retryWords(retry);
  if (retry.attempts === 0 || words.length === 0) return undefined;
  return {
    retryOn: words.join(','),
    numRetries: wrapped(retry.attempts),
    perTryTimeout: retry.tryTimeoutMs === undefined ? undefined : duration(retry.tryTimeoutMs),
    retriableStatusCodes: retry.when.status,
    ...OTHER_ENDPOINT,
  };
};

const hashKey = (key: ResolvedHashKey): HashPolicy => {
  switch (key.kind) {
    case 'header':
      return { header: { headerName: key.name } };
    case 'cookie':
      return { cookie: { name: key.name, ttl: key.ttlMs === undefined ? undefined : duration(key.ttlMs) } };
    case 'query':
      return { queryParameter: { name: key.name } };
    case 'ip':
      return { connectionProperties: { sourceIp: true } };
  }
};

/** The first key that the request has decides: each but the last is terminal. */
export const hashPolicies = (keys: readonly ResolvedHashKey[]): readonly HashPolicy[] =>
  keys.map((key, index) => ({ ...hashKey(key), terminal: index < keys.length - 1 }));

const destination = (targets: readonly WeightedTarget[]): IRouteAction => {
  const [only] = targets;
  if (targets.length === 1 && only !== undefined) return { cluster: only.cluster };
  return {
    weightedClusters: { clusters: targets.map(({ cluster, weight }) => ({ name: cluster, weight: wrapped(weight) })) },
  };
};

/** Names document and rule for access logs and `why`; nothing for what is built in. */
const routeMetadata = ({ document, name }: ResolvedRouteRule): IMetadata | undefined =>
  document === undefined
    ? undefined
    : { filterMetadata: { tendril: toStruct(name === undefined ? { document } : { document, rule: name }) } };

/**
 * Routes of one rule, named `<service port>/<rule>`, further ones `<service port>/<rule>~<n>`; `spec` itself: `<service port>`.
 * `timeout` and `idle_timeout` are always written: unset they mean 15 s, and the listener's seconds.
 */
export const ruleRoutes = (
  rule: ResolvedRouteRule,
  servicePort: string,
  targets: readonly WeightedTarget[],
  hashPolicy: readonly HashPolicy[],
): readonly IRoute[] => {
  const action: IRouteAction = {
    ...destination(targets),
    timeout: duration(rule.timeoutMs),
    idleTimeout: duration(rule.idleTimeoutMs),
    retryPolicy: retryPolicy(rule.retry),
    hashPolicy,
  };
  const metadata = routeMetadata(rule);
  const name = rule.name === undefined ? servicePort : `${servicePort}/${rule.name}`;
  return routeMatches(rule.match).map((match, index) => ({
    name: index === 0 ? name : `${name}~${index + 1}`,
    match,
    route: action,
    metadata,
  }));
};
