/**
 * The messages that calls are made by, with the fields that the client reads and no others: what is not named here is passed over, and
 * cannot be read by mistake. Names and numbers are those of Envoy's protos (test/sidecar-client/calls/messages.test.ts).
 */
import {
  double,
  flag,
  long,
  type MessageTable,
  message,
  messages,
  messagesByKey,
  messageTable,
  octets,
  oneFlag,
  oneSigned,
  oneText,
  oneUnsigned,
  signed,
  signedLong,
  text,
  unsigned,
  unsignedList,
} from '../../proto/wire.ts';

type Of<M> = M extends MessageTable<infer T> ? T : never;

const presence = messageTable({});
const flagValue = messageTable({ value: flag(1) });
const unsignedValue = messageTable({ value: unsigned(1) });
const longValue = messageTable({ value: long(1) });
const percent = messageTable({ value: double(1) });
const any = messageTable({ value: octets(2) });
const duration = messageTable({ seconds: signedLong(1), nanos: signed(2) });
export type Duration = Of<typeof duration>;

const regex = messageTable({ regex: text(2) });
const stringMatcher = messageTable({
  exact: oneText(1),
  prefix: oneText(2),
  suffix: oneText(3),
  safeRegex: message(5, regex),
  ignoreCase: flag(6),
  contains: oneText(7),
});
export type StringMatcher = Of<typeof stringMatcher>;

const headerMatcher = messageTable({
  name: text(1),
  exactMatch: oneText(4),
  rangeMatch: message(6, messageTable({ start: signedLong(1), end: signedLong(2) })),
  presentMatch: oneFlag(7),
  invertMatch: flag(8),
  prefixMatch: oneText(9),
  suffixMatch: oneText(10),
  safeRegexMatch: message(11, regex),
  containsMatch: oneText(12),
  stringMatch: message(13, stringMatcher),
  treatMissingHeaderAsEmpty: flag(14),
});
export type HeaderMatcher = Of<typeof headerMatcher>;

const queryMatcher = messageTable({
  name: text(1),
  stringMatch: message(5, stringMatcher),
  presentMatch: oneFlag(6),
});
export type QueryParameterMatcher = Of<typeof queryMatcher>;

const retryPolicy = messageTable({
  retryOn: text(1),
  numRetries: message(2, unsignedValue),
  perTryTimeout: message(3, duration),
  retriableStatusCodes: unsignedList(7),
  retryBackOff: message(8, messageTable({ baseInterval: message(1, duration), maxInterval: message(2, duration) })),
  retriableRequestHeaders: messages(10, headerMatcher),
  rateLimitedRetryBackOff: message(
    11,
    messageTable({
      resetHeaders: messages(1, messageTable({ name: text(1), format: signed(2) })),
      maxInterval: message(2, duration),
    }),
  ),
});
export type RetryPolicy = Of<typeof retryPolicy>;

const routeMatch = messageTable({
  prefix: oneText(1),
  path: oneText(2),
  caseSensitive: message(4, flagValue),
  headers: messages(6, headerMatcher),
  queryParameters: messages(7, queryMatcher),
  grpc: message(8, presence),
  runtimeFraction: message(9, presence),
  safeRegex: message(10, regex),
  tlsContext: message(11, presence),
  dynamicMetadata: messages(13, presence),
  pathSeparatedPrefix: oneText(14),
  filterState: messages(16, presence),
  cookies: messages(17, presence),
});
export type RouteMatch = Of<typeof routeMatch>;

const hashPolicy = messageTable({
  header: message(1, messageTable({ headerName: text(1), regexRewrite: message(2, presence) })),
  cookie: message(2, messageTable({ name: text(1) })),
  connectionProperties: message(3, messageTable({ sourceIp: flag(1) })),
  terminal: flag(4),
  queryParameter: message(5, messageTable({ name: text(1) })),
});
export type HashPolicy = Of<typeof hashPolicy>;

const weightedCluster = messageTable({ name: text(1), weight: message(2, unsignedValue) });
const routeAction = messageTable({
  cluster: oneText(1),
  weightedClusters: message(3, messageTable({ clusters: messages(1, weightedCluster) })),
  timeout: message(8, duration),
  retryPolicy: message(9, retryPolicy),
  hashPolicy: messages(15, hashPolicy),
  idleTimeout: message(24, duration),
});
export type RouteAction = Of<typeof routeAction>;

const route = messageTable({ match: message(1, routeMatch), route: message(2, routeAction), name: text(14) });
export type Route = Of<typeof route>;

export const virtualHost = messageTable({ routes: messages(3, route), retryPolicy: message(16, retryPolicy) });

const socketAddress = messageTable({ address: text(2), portValue: oneUnsigned(3) });
const lbEndpoint = messageTable({
  endpoint: message(
    1,
    messageTable({ address: message(1, messageTable({ socketAddress: message(1, socketAddress) })) }),
  ),
  healthStatus: signed(2),
  loadBalancingWeight: message(4, unsignedValue),
});
const localityEndpoints = messageTable({
  locality: message(1, messageTable({ region: text(1), zone: text(2) })),
  lbEndpoints: messages(2, lbEndpoint),
  priority: unsigned(5),
});
export const clusterLoadAssignment = messageTable({ clusterName: text(1), endpoints: messages(2, localityEndpoints) });
export type ClusterLoadAssignment = Of<typeof clusterLoadAssignment>;
/** `HealthStatus` */
export const HEALTHY = 1;

const thresholds = messageTable({
  priority: signed(1),
  maxConnections: message(2, unsignedValue),
  maxPendingRequests: message(3, unsignedValue),
  maxRequests: message(4, unsignedValue),
  maxRetries: message(5, unsignedValue),
  retryBudget: message(
    8,
    messageTable({ budgetPercent: message(1, percent), minRetryConcurrency: message(2, unsignedValue) }),
  ),
});
const circuitBreakers = messageTable({
  thresholds: messages(1, thresholds),
  perHostThresholds: messages(2, thresholds),
});
export type CircuitBreakers = Of<typeof circuitBreakers>;

const outlierDetection = messageTable({
  consecutive5xx: message(1, unsignedValue),
  interval: message(2, duration),
  baseEjectionTime: message(3, duration),
  maxEjectionPercent: message(4, unsignedValue),
  enforcingConsecutive5xx: message(5, unsignedValue),
  consecutiveGatewayFailure: message(10, unsignedValue),
  enforcingConsecutiveGatewayFailure: message(11, unsignedValue),
  maxEjectionTime: message(21, duration),
});
export type OutlierDetection = Of<typeof outlierDetection>;

const extensionConfig = messageTable({ name: text(1), typedConfig: message(2, any) });
export const cluster = messageTable({
  name: text(1),
  type: oneSigned(2),
  connectTimeout: message(4, duration),
  lbPolicy: signed(6),
  circuitBreakers: message(10, circuitBreakers),
  outlierDetection: message(19, outlierDetection),
  transportSocket: message(24, presence),
  commonLbConfig: message(27, messageTable({ healthyPanicThreshold: message(1, percent) })),
  loadAssignment: message(33, clusterLoadAssignment),
  typedExtensionProtocolOptions: messagesByKey(36, any),
  clusterType: message(38, presence),
  loadBalancingPolicy: message(
    41,
    messageTable({ policies: messages(1, messageTable({ typedExtensionConfig: message(4, extensionConfig) })) }),
  ),
  transportSocketMatches: messages(43, presence),
});
export type Cluster = Of<typeof cluster>;
/** `Cluster.DiscoveryType` */
export const DISCOVERY = { eds: 3, originalDst: 4 } as const;
/** `Cluster.LbPolicy` */
export const LB_POLICY = { leastRequest: 1, ringHash: 2, random: 3, maglev: 5 } as const;

export const httpProtocolOptions = messageTable({
  commonHttpProtocolOptions: message(1, messageTable({ maxRequestsPerConnection: message(6, unsignedValue) })),
  explicitHttpConfig: message(3, messageTable({ http2ProtocolOptions: message(2, presence) })),
});

const localityLb = messageTable({
  zoneAwareLbConfig: message(
    1,
    messageTable({ routingEnabled: message(1, percent), minClusterSize: message(2, longValue) }),
  ),
});
export type LocalityLb = Of<typeof localityLb>;
const consistentHashing = messageTable({ hashBalanceFactor: message(2, unsignedValue) });
export const roundRobin = messageTable({ localityLbConfig: message(2, localityLb) });
export const leastRequest = messageTable({
  choiceCount: message(1, unsignedValue),
  localityLbConfig: message(4, localityLb),
});
export const randomLb = messageTable({ localityLbConfig: message(1, localityLb) });
export const ringHash = messageTable({
  minimumRingSize: message(2, longValue),
  maximumRingSize: message(3, longValue),
  consistentHashingLbConfig: message(6, consistentHashing),
});
export const maglev = messageTable({
  tableSize: message(1, longValue),
  consistentHashingLbConfig: message(2, consistentHashing),
});
