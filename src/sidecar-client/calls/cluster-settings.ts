/** What the core of calls reads out of a `Cluster` (policies.md section 5). Throws `CALLS_UNUSABLE` on what it cannot do. */
import {
  type CircuitBreakers,
  Cluster,
  envoy,
  HttpProtocolOptions,
  LeastRequest,
  Maglev,
  type OutlierDetection,
  RandomLb,
  RingHash,
  RoundRobin,
} from '../../proto/index.ts';
import type { EjectionRules } from './ejection.ts';
import { type AssignedEndpoint, endpointsOf } from './endpoints.ts';
import { millis } from './millis.ts';
import { unusable } from './refusal.ts';

export type BalancerRules =
  | { readonly kind: 'roundRobin' }
  | { readonly kind: 'leastRequest'; readonly choices: number }
  | { readonly kind: 'random' }
  | { readonly kind: 'ringHash'; readonly minSize: number; readonly maxSize: number; readonly boundPercent: number }
  | { readonly kind: 'maglev'; readonly tableSize: number; readonly boundPercent: number };

export interface ClusterLimits {
  readonly requests: number;
  readonly pending: number;
  readonly connections: number;
  /** Connections to one endpoint. */
  readonly perEndpoint: number;
  /** Then the connection is closed. */
  readonly requestsPerConnection: number;
  /** Share of the running requests that may be retries, per cent; undefined: `minRetries` alone. */
  readonly retryPercent: number | undefined;
  readonly minRetries: number;
}

export interface ClusterSettings {
  readonly name: string;
  readonly balancer: BalancerRules;
  /** Fewest endpoints from which the own zone goes first; undefined: never. */
  readonly zoneFrom: number | undefined;
  readonly panicPercent: number;
  readonly limits: ClusterLimits;
  readonly ejection: EjectionRules | undefined;
  readonly connectTimeoutMs: number;
  readonly protocol: 1 | 2;
  /** Endpoints that stand in the cluster itself; undefined: they come as an assignment. */
  readonly endpoints: readonly AssignedEndpoint[] | undefined;
}

/** Defaults of Envoy 1.40, for clusters that Tendril did not compile. */
const DEFAULT_LIMIT = 1024;
const DEFAULT_RETRIES = 3;
const UNLIMITED = 0xffff_ffff;
const DEFAULT_CONNECT_MS = 5_000;
const DEFAULT_PANIC = 50;
const DEFAULT_ZONE_FROM = 6;
const DEFAULT_TABLE = 65_537;
const DEFAULT_RING = 1024;

/** Envoy's own bounds; a table that is not of prime size could not be filled. */
const MAX_TABLE = 5_000_011;
const MAX_RING = 8 * 1024 * 1024;
/** More choices than this change nothing but the time they take. */
const MAX_CHOICES = 100;

const isPrime = (number: number): boolean => {
  if (!Number.isInteger(number) || number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
};

const POLICY = 'envoy.load_balancing_policies.';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const { LbPolicy, DiscoveryType } = envoy.config.cluster.v3.Cluster;

type LocalityLb = envoy.extensions.load_balancing_policies.common.v3.ILocalityLbConfig;

const zoneFrom = (config: LocalityLb | null | undefined): number | undefined => {
  const zone = config?.zoneAwareLbConfig;
  if (!zone || (zone.routingEnabled?.value ?? 100) === 0) return undefined;
  return Number(zone.minClusterSize?.value ?? DEFAULT_ZONE_FROM);
};

type Balancing = Pick<ClusterSettings, 'balancer' | 'zoneFrom'>;

const known = (name: string, bytes: Uint8Array): Balancing | undefined => {
  switch (name) {
    case 'round_robin':
      return { balancer: { kind: 'roundRobin' }, zoneFrom: zoneFrom(RoundRobin.decode(bytes).localityLbConfig) };
    case 'least_request': {
      const { choiceCount, localityLbConfig } = LeastRequest.decode(bytes);
      return {
        balancer: { kind: 'leastRequest', choices: Math.min(choiceCount?.value ?? 2, MAX_CHOICES) },
        zoneFrom: zoneFrom(localityLbConfig),
      };
    }
    case 'random':
      return { balancer: { kind: 'random' }, zoneFrom: zoneFrom(RandomLb.decode(bytes).localityLbConfig) };
    case 'ring_hash': {
      const { minimumRingSize, maximumRingSize, consistentHashingLbConfig } = RingHash.decode(bytes);
      const maxSize = Number(maximumRingSize?.value ?? MAX_RING);
      if (!(maxSize >= 1 && maxSize <= MAX_RING))
        throw unusable('load_balancing_policy', `a ring of ${maxSize} entries, 1 to ${MAX_RING} are allowed`);
      return {
        balancer: {
          kind: 'ringHash',
          minSize: Math.min(Number(minimumRingSize?.value ?? DEFAULT_RING), maxSize),
          maxSize,
          boundPercent: consistentHashingLbConfig?.hashBalanceFactor?.value ?? 0,
        },
        zoneFrom: undefined,
      };
    }
    case 'maglev': {
      const maglev = Maglev.decode(bytes);
      const { consistentHashingLbConfig } = maglev;
      const tableSize = Number(maglev.tableSize?.value ?? DEFAULT_TABLE);
      if (tableSize > MAX_TABLE || !isPrime(tableSize))
        throw unusable(
          'load_balancing_policy',
          `a Maglev table of ${tableSize} places, a prime up to ${MAX_TABLE} is allowed`,
        );
      return {
        balancer: {
          kind: 'maglev',
          tableSize,
          boundPercent: consistentHashingLbConfig?.hashBalanceFactor?.value ?? 0,
        },
        zoneFrom: undefined,
      };
    }
    default:
      return undefined;
  }
};

/** The first policy of the list that is known, as in Envoy; without a list the old field. */
const balancing = ({ loadBalancingPolicy, lbPolicy }: Cluster): Balancing => {
  const policies = loadBalancingPolicy?.policies ?? [];
  for (const { typedExtensionConfig } of policies) {
    const { name, typedConfig } = typedExtensionConfig ?? {};
    const found = known((name ?? '').replace(POLICY, ''), typedConfig?.value ?? new Uint8Array());
    if (found !== undefined) return found;
  }
  if (policies.length > 0) throw unusable('load_balancing_policy', 'no policy of the list is known to this client');
  const nothing = new Uint8Array();
  const fallback = { balancer: { kind: 'roundRobin' }, zoneFrom: undefined } as const;
  switch (lbPolicy) {
    case LbPolicy.LEAST_REQUEST:
      return known('least_request', nothing) ?? fallback;
    case LbPolicy.RANDOM:
      return known('random', nothing) ?? fallback;
    case LbPolicy.RING_HASH:
      return known('ring_hash', nothing) ?? fallback;
    case LbPolicy.MAGLEV:
      return known('maglev', nothing) ?? fallback;
    default:
      return fallback;
  }
};

const limitsOf = (breakers: CircuitBreakers | null, requestsPerConnection: number | undefined): ClusterLimits => {
  const of = breakers?.thresholds.find(({ priority }) => !priority);
  const perHost = breakers?.perHostThresholds.find(({ priority }) => !priority);
  const budget = of?.retryBudget;
  return {
    requests: of?.maxRequests?.value ?? DEFAULT_LIMIT,
    pending: of?.maxPendingRequests?.value ?? DEFAULT_LIMIT,
    connections: of?.maxConnections?.value ?? DEFAULT_LIMIT,
    perEndpoint: perHost?.maxConnections?.value ?? UNLIMITED,
    requestsPerConnection: requestsPerConnection || UNLIMITED,
    retryPercent: budget ? (budget.budgetPercent?.value ?? 20) : undefined,
    minRetries: budget
      ? (budget.minRetryConcurrency?.value ?? DEFAULT_RETRIES)
      : (of?.maxRetries?.value ?? DEFAULT_RETRIES),
  };
};

const ejectionOf = (outlier: OutlierDetection | null): EjectionRules | undefined => {
  if (!outlier) return undefined;
  const count = (given: number | undefined, enforced: number): number => (enforced === 0 ? 0 : (given ?? 5));
  const baseMs = millis(outlier.baseEjectionTime) ?? 30_000;
  return {
    consecutive5xx: count(outlier.consecutive5xx?.value, outlier.enforcingConsecutive5xx?.value ?? 100),
    consecutiveGateway: count(
      outlier.consecutiveGatewayFailure?.value,
      outlier.enforcingConsecutiveGatewayFailure?.value ?? 0,
    ),
    intervalMs: millis(outlier.interval) ?? 10_000,
    baseMs,
    maxMs: Math.max(baseMs, millis(outlier.maxEjectionTime) ?? 300_000),
    maxPercent: outlier.maxEjectionPercent?.value ?? 10,
  };
};

const inlineEndpoints = (cluster: Cluster): readonly AssignedEndpoint[] | undefined => {
  if (cluster.type === DiscoveryType.EDS) return undefined;
  if (cluster.type === DiscoveryType.ORIGINAL_DST || cluster.clusterType)
    throw unusable('type', 'a cluster whose endpoints are neither listed nor assigned');
  return cluster.loadAssignment ? endpointsOf(cluster.loadAssignment) : [];
};

export const decodeCluster = (body: Uint8Array): ClusterSettings => {
  const cluster = Cluster.decode(body);
  if (cluster.transportSocket || cluster.transportSocketMatches.length > 0)
    throw unusable('transport_socket', 'TLS to endpoints');
  const packed = cluster.typedExtensionProtocolOptions[HTTP_OPTIONS]?.value;
  const http = packed ? HttpProtocolOptions.decode(packed) : undefined;
  return {
    name: cluster.name,
    ...balancing(cluster),
    panicPercent: cluster.commonLbConfig?.healthyPanicThreshold?.value ?? DEFAULT_PANIC,
    limits: limitsOf(cluster.circuitBreakers, http?.commonHttpProtocolOptions?.maxRequestsPerConnection?.value),
    ejection: ejectionOf(cluster.outlierDetection),
    connectTimeoutMs: millis(cluster.connectTimeout) ?? DEFAULT_CONNECT_MS,
    protocol: http?.explicitHttpConfig?.http2ProtocolOptions ? 2 : 1,
    endpoints: inlineEndpoints(cluster),
  };
};
