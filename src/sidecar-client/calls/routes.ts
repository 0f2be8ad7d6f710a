/** A virtual host -> its routes, in order; the first that takes a call decides (policies.md section 3, Evaluation). */
import { type RetryPolicy, type Route, type RouteAction, VirtualHost } from '../../proto/index.ts';
import { hashKeyOf } from './hash-key.ts';
import { millis } from './millis.ts';
import { unusable } from './refusal.ts';
import { retryRules } from './retry-rules.ts';
import { matchFacts, routeTest } from './route-match.ts';
import { headerTest, type MatchFacts } from './text-matcher.ts';
import type { CallFacts, ChosenRoute, RetryRules } from './types.ts';

/** Of Envoy, when a route says nothing. Tendril's always do. */
const DEFAULT_TIMEOUT_MS = 15_000;

type Retry = (facts: MatchFacts) => RetryRules | undefined;

const retryOf = (policy: RetryPolicy | null, place: string): Retry => {
  if (!policy) return () => undefined;
  const rules = retryRules(policy);
  const wanted = policy.retriableRequestHeaders.map((header, index) =>
    headerTest(header, `${place}.retriable_request_headers[${index}]`),
  );
  if (wanted.length === 0) return () => rules;
  return (facts) => (wanted.some((test) => test(facts)) ? rules : undefined);
};

/** `share`: [0, 1). */
type Destination = (share: number) => string;

const destinationOf = (action: RouteAction, place: string): Destination => {
  const { cluster, weightedClusters } = action;
  if (typeof cluster === 'string' && cluster !== '') return () => cluster;
  const targets = (weightedClusters?.clusters ?? []).map(({ name, weight }) => ({
    name: name ?? '',
    weight: weight?.value ?? 0,
  }));
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  const last = targets.findLast(({ weight }) => weight > 0);
  if (last === undefined || targets.some(({ name }) => name === ''))
    throw unusable(place, 'a route whose cluster is not named in it');
  return (share) => {
    let rest = share * total;
    for (const { name, weight } of targets) {
      rest -= weight;
      if (rest < 0) return name;
    }
    return last.name;
  };
};

interface UsableRoute {
  readonly takes: (facts: MatchFacts) => boolean;
  /** Undefined: the route redirects or answers itself, which is nothing for this client: the call has no route. */
  readonly chosen: ((facts: MatchFacts, share: number) => ChosenRoute) | undefined;
}

const usableRoute = (
  { name, match, route: action }: Route,
  place: string,
  ip: string,
  hostRetry: Retry | undefined,
): UsableRoute => {
  if (!match) throw unusable(place, 'no match');
  const takes = routeTest(match, `${place}.match`);
  if (!action) return { takes, chosen: undefined };
  const destination = destinationOf(action, `${place}.route`);
  const hashKey = hashKeyOf(action.hashPolicy, `${place}.route.hash_policy`, ip);
  const retry =
    action.retryPolicy || !hostRetry ? retryOf(action.retryPolicy, `${place}.route.retry_policy`) : hostRetry;
  const timeoutMs = millis(action.timeout) ?? DEFAULT_TIMEOUT_MS;
  const idleTimeoutMs = millis(action.idleTimeout) ?? 0;
  return {
    takes,
    chosen: (facts, share) => ({
      name,
      cluster: destination(share),
      timeoutMs,
      idleTimeoutMs,
      retry: retry(facts),
      hashKey: hashKey(facts),
    }),
  };
};

export interface RouteTable {
  /** Undefined: no route takes the call, or the one that does has no cluster. `random`: [0, 1), for weights. */
  route(facts: CallFacts, random: () => number): ChosenRoute | undefined;
}

/** Throws `CALLS_UNUSABLE`, or what decoding throws. `ip`: address that calls come from, for hash keys. */
export const decodeRoutes = (body: Uint8Array, ip: string): RouteTable => {
  const { routes, retryPolicy } = VirtualHost.decode(body);
  const hostRetry = retryPolicy ? retryOf(retryPolicy, 'retry_policy') : undefined;
  const usable = routes.map((route, index) => usableRoute(route, `routes[${index}]`, ip, hostRetry));
  return {
    route(facts, random) {
      const taken = matchFacts(facts);
      const found = usable.find(({ takes }) => takes(taken));
      return found?.chosen?.(taken, random());
    },
  };
};
