/** Type URLs of xDS resources and of the typed configurations inside them, and the gRPC paths. All of xDS version 3. */
const PREFIX = 'type.googleapis.com/';

/** Listeners. */
export const LDS = `${PREFIX}envoy.config.listener.v3.Listener`;
/** Route configurations. */
export const RDS = `${PREFIX}envoy.config.route.v3.RouteConfiguration`;
/** Virtual hosts, on demand. */
export const VHDS = `${PREFIX}envoy.config.route.v3.VirtualHost`;
/** Scoped route configurations. */
export const SRDS = `${PREFIX}envoy.config.route.v3.ScopedRouteConfiguration`;
/** Clusters. */
export const CDS = `${PREFIX}envoy.config.cluster.v3.Cluster`;
/** Endpoints. */
export const EDS = `${PREFIX}envoy.config.endpoint.v3.ClusterLoadAssignment`;
/** Secrets. */
export const SDS = `${PREFIX}envoy.extensions.transport_sockets.tls.v3.Secret`;
/** Filter configurations. */
export const ECDS = `${PREFIX}envoy.config.core.v3.TypedExtensionConfig`;
/** Runtime layers. */
export const RTDS = `${PREFIX}envoy.service.runtime.v3.Runtime`;

/** Type URLs of what goes into `Any` fields; names as in `messages.ts`. */
export const TYPE_URLS = {
  Struct: `${PREFIX}google.protobuf.Struct`,
  FilterConfig: `${PREFIX}envoy.config.route.v3.FilterConfig`,
  HttpConnectionManager: `${PREFIX}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
  TcpProxy: `${PREFIX}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
  SetFilterState: `${PREFIX}envoy.extensions.filters.network.set_filter_state.v3.Config`,
  Router: `${PREFIX}envoy.extensions.filters.http.router.v3.Router`,
  OnDemand: `${PREFIX}envoy.extensions.filters.http.on_demand.v3.OnDemand`,
  OnDemandPerRoute: `${PREFIX}envoy.extensions.filters.http.on_demand.v3.PerRouteConfig`,
  HttpFault: `${PREFIX}envoy.extensions.filters.http.fault.v3.HTTPFault`,
  LocalRateLimit: `${PREFIX}envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`,
  HttpProtocolOptions: `${PREFIX}envoy.extensions.upstreams.http.v3.HttpProtocolOptions`,
  RoundRobin: `${PREFIX}envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin`,
  LeastRequest: `${PREFIX}envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest`,
  RandomLb: `${PREFIX}envoy.extensions.load_balancing_policies.random.v3.Random`,
  RingHash: `${PREFIX}envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash`,
  Maglev: `${PREFIX}envoy.extensions.load_balancing_policies.maglev.v3.Maglev`,
  WrrLocality: `${PREFIX}envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality`,
  HttpGrpcAccessLog: `${PREFIX}envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig`,
  TcpGrpcAccessLog: `${PREFIX}envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig`,
  CelFilter: `${PREFIX}envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter`,
  PreviousHosts: `${PREFIX}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`,
} as const;

/** gRPC paths that the xDS port serves. */
export const GRPC_PATHS = {
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  accessLogs: '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs',
  loadStats: '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
  healthCheck: '/grpc.health.v1.Health/Check',
  healthWatch: '/grpc.health.v1.Health/Watch',
} as const;
