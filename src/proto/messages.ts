/**
 * Short names for the generated messages. `I<Name>` is what `<Name>.encode` takes (plain objects, every field optional), `<Name>`
 * what `<Name>.decode` gives. Messages without a short name are under `envoy`, `google`, `xds`, `grpc` with their full name.
 */
import { envoy, google, grpc, xds } from './generated/envoy.js';

export { envoy, google, grpc, xds };

export const Any = google.protobuf.Any;
export type Any = google.protobuf.Any;
export type IAny = google.protobuf.IAny;

export const Duration = google.protobuf.Duration;
export type Duration = google.protobuf.Duration;
export type IDuration = google.protobuf.IDuration;

export const Struct = google.protobuf.Struct;
export type Struct = google.protobuf.Struct;
export type IStruct = google.protobuf.IStruct;

export const Value = google.protobuf.Value;
export type Value = google.protobuf.Value;
export type IValue = google.protobuf.IValue;

export const BoolValue = google.protobuf.BoolValue;
export type BoolValue = google.protobuf.BoolValue;
export type IBoolValue = google.protobuf.IBoolValue;

export const UInt32Value = google.protobuf.UInt32Value;
export type UInt32Value = google.protobuf.UInt32Value;
export type IUInt32Value = google.protobuf.IUInt32Value;

export const RpcStatus = google.rpc.Status;
export type RpcStatus = google.rpc.Status;
export type IRpcStatus = google.rpc.IStatus;

export const DeltaDiscoveryRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
export type DeltaDiscoveryRequest = envoy.service.discovery.v3.DeltaDiscoveryRequest;
export type IDeltaDiscoveryRequest = envoy.service.discovery.v3.IDeltaDiscoveryRequest;

export const DeltaDiscoveryResponse = envoy.service.discovery.v3.DeltaDiscoveryResponse;
export type DeltaDiscoveryResponse = envoy.service.discovery.v3.DeltaDiscoveryResponse;
export type IDeltaDiscoveryResponse = envoy.service.discovery.v3.IDeltaDiscoveryResponse;

export const DiscoveryRequest = envoy.service.discovery.v3.DiscoveryRequest;
export type DiscoveryRequest = envoy.service.discovery.v3.DiscoveryRequest;
export type IDiscoveryRequest = envoy.service.discovery.v3.IDiscoveryRequest;

export const DiscoveryResponse = envoy.service.discovery.v3.DiscoveryResponse;
export type DiscoveryResponse = envoy.service.discovery.v3.DiscoveryResponse;
export type IDiscoveryResponse = envoy.service.discovery.v3.IDiscoveryResponse;

export const Resource = envoy.service.discovery.v3.Resource;
export type Resource = envoy.service.discovery.v3.Resource;
export type IResource = envoy.service.discovery.v3.IResource;

export const Node = envoy.config.core.v3.Node;
export type Node = envoy.config.core.v3.Node;
export type INode = envoy.config.core.v3.INode;

export const Address = envoy.config.core.v3.Address;
export type Address = envoy.config.core.v3.Address;
export type IAddress = envoy.config.core.v3.IAddress;

export const ConfigSource = envoy.config.core.v3.ConfigSource;
export type ConfigSource = envoy.config.core.v3.ConfigSource;
export type IConfigSource = envoy.config.core.v3.IConfigSource;

export const Metadata = envoy.config.core.v3.Metadata;
export type Metadata = envoy.config.core.v3.Metadata;
export type IMetadata = envoy.config.core.v3.IMetadata;

export const HeaderValueOption = envoy.config.core.v3.HeaderValueOption;
export type HeaderValueOption = envoy.config.core.v3.HeaderValueOption;
export type IHeaderValueOption = envoy.config.core.v3.IHeaderValueOption;

export const SubstitutionFormatString = envoy.config.core.v3.SubstitutionFormatString;
export type SubstitutionFormatString = envoy.config.core.v3.SubstitutionFormatString;
export type ISubstitutionFormatString = envoy.config.core.v3.ISubstitutionFormatString;

export const TypedExtensionConfig = envoy.config.core.v3.TypedExtensionConfig;
export type TypedExtensionConfig = envoy.config.core.v3.TypedExtensionConfig;
export type ITypedExtensionConfig = envoy.config.core.v3.ITypedExtensionConfig;

export const Cluster = envoy.config.cluster.v3.Cluster;
export type Cluster = envoy.config.cluster.v3.Cluster;
export type ICluster = envoy.config.cluster.v3.ICluster;

export const CircuitBreakers = envoy.config.cluster.v3.CircuitBreakers;
export type CircuitBreakers = envoy.config.cluster.v3.CircuitBreakers;
export type ICircuitBreakers = envoy.config.cluster.v3.ICircuitBreakers;

export const OutlierDetection = envoy.config.cluster.v3.OutlierDetection;
export type OutlierDetection = envoy.config.cluster.v3.OutlierDetection;
export type IOutlierDetection = envoy.config.cluster.v3.IOutlierDetection;

export const LoadBalancingPolicy = envoy.config.cluster.v3.LoadBalancingPolicy;
export type LoadBalancingPolicy = envoy.config.cluster.v3.LoadBalancingPolicy;
export type ILoadBalancingPolicy = envoy.config.cluster.v3.ILoadBalancingPolicy;

export const ClusterLoadAssignment = envoy.config.endpoint.v3.ClusterLoadAssignment;
export type ClusterLoadAssignment = envoy.config.endpoint.v3.ClusterLoadAssignment;
export type IClusterLoadAssignment = envoy.config.endpoint.v3.IClusterLoadAssignment;

export const LocalityLbEndpoints = envoy.config.endpoint.v3.LocalityLbEndpoints;
export type LocalityLbEndpoints = envoy.config.endpoint.v3.LocalityLbEndpoints;
export type ILocalityLbEndpoints = envoy.config.endpoint.v3.ILocalityLbEndpoints;

export const LbEndpoint = envoy.config.endpoint.v3.LbEndpoint;
export type LbEndpoint = envoy.config.endpoint.v3.LbEndpoint;
export type ILbEndpoint = envoy.config.endpoint.v3.ILbEndpoint;

export const Listener = envoy.config.listener.v3.Listener;
export type Listener = envoy.config.listener.v3.Listener;
export type IListener = envoy.config.listener.v3.IListener;

export const FilterChain = envoy.config.listener.v3.FilterChain;
export type FilterChain = envoy.config.listener.v3.FilterChain;
export type IFilterChain = envoy.config.listener.v3.IFilterChain;

export const Filter = envoy.config.listener.v3.Filter;
export type Filter = envoy.config.listener.v3.Filter;
export type IFilter = envoy.config.listener.v3.IFilter;

export const RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
export type RouteConfiguration = envoy.config.route.v3.RouteConfiguration;
export type IRouteConfiguration = envoy.config.route.v3.IRouteConfiguration;

export const VirtualHost = envoy.config.route.v3.VirtualHost;
export type VirtualHost = envoy.config.route.v3.VirtualHost;
export type IVirtualHost = envoy.config.route.v3.IVirtualHost;

export const Route = envoy.config.route.v3.Route;
export type Route = envoy.config.route.v3.Route;
export type IRoute = envoy.config.route.v3.IRoute;

export const RouteMatch = envoy.config.route.v3.RouteMatch;
export type RouteMatch = envoy.config.route.v3.RouteMatch;
export type IRouteMatch = envoy.config.route.v3.IRouteMatch;

export const RouteAction = envoy.config.route.v3.RouteAction;
export type RouteAction = envoy.config.route.v3.RouteAction;
export type IRouteAction = envoy.config.route.v3.IRouteAction;

export const RetryPolicy = envoy.config.route.v3.RetryPolicy;
export type RetryPolicy = envoy.config.route.v3.RetryPolicy;
export type IRetryPolicy = envoy.config.route.v3.IRetryPolicy;

export const HeaderMatcher = envoy.config.route.v3.HeaderMatcher;
export type HeaderMatcher = envoy.config.route.v3.HeaderMatcher;
export type IHeaderMatcher = envoy.config.route.v3.IHeaderMatcher;

export const QueryParameterMatcher = envoy.config.route.v3.QueryParameterMatcher;
export type QueryParameterMatcher = envoy.config.route.v3.QueryParameterMatcher;
export type IQueryParameterMatcher = envoy.config.route.v3.IQueryParameterMatcher;

export const WeightedCluster = envoy.config.route.v3.WeightedCluster;
export type WeightedCluster = envoy.config.route.v3.WeightedCluster;
export type IWeightedCluster = envoy.config.route.v3.IWeightedCluster;

export const FilterConfig = envoy.config.route.v3.FilterConfig;
export type FilterConfig = envoy.config.route.v3.FilterConfig;
export type IFilterConfig = envoy.config.route.v3.IFilterConfig;

export const StringMatcher = envoy.type.matcher.v3.StringMatcher;
export type StringMatcher = envoy.type.matcher.v3.StringMatcher;
export type IStringMatcher = envoy.type.matcher.v3.IStringMatcher;

export const AccessLog = envoy.config.accesslog.v3.AccessLog;
export type AccessLog = envoy.config.accesslog.v3.AccessLog;
export type IAccessLog = envoy.config.accesslog.v3.IAccessLog;

export const AccessLogFilter = envoy.config.accesslog.v3.AccessLogFilter;
export type AccessLogFilter = envoy.config.accesslog.v3.AccessLogFilter;
export type IAccessLogFilter = envoy.config.accesslog.v3.IAccessLogFilter;

export const HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
export type HttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
export type IHttpConnectionManager = envoy.extensions.filters.network.http_connection_manager.v3.IHttpConnectionManager;

export const HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;
export type HttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;
export type IHttpFilter = envoy.extensions.filters.network.http_connection_manager.v3.IHttpFilter;

export const ResponseMapper = envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper;
export type ResponseMapper = envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper;
export type IResponseMapper = envoy.extensions.filters.network.http_connection_manager.v3.IResponseMapper;

export const TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;
export type TcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy;
export type ITcpProxy = envoy.extensions.filters.network.tcp_proxy.v3.ITcpProxy;

export const SetFilterState = envoy.extensions.filters.network.set_filter_state.v3.Config;
export type SetFilterState = envoy.extensions.filters.network.set_filter_state.v3.Config;
export type ISetFilterState = envoy.extensions.filters.network.set_filter_state.v3.IConfig;

export const Router = envoy.extensions.filters.http.router.v3.Router;
export type Router = envoy.extensions.filters.http.router.v3.Router;
export type IRouter = envoy.extensions.filters.http.router.v3.IRouter;

export const OnDemand = envoy.extensions.filters.http.on_demand.v3.OnDemand;
export type OnDemand = envoy.extensions.filters.http.on_demand.v3.OnDemand;
export type IOnDemand = envoy.extensions.filters.http.on_demand.v3.IOnDemand;

export const OnDemandPerRoute = envoy.extensions.filters.http.on_demand.v3.PerRouteConfig;
export type OnDemandPerRoute = envoy.extensions.filters.http.on_demand.v3.PerRouteConfig;
export type IOnDemandPerRoute = envoy.extensions.filters.http.on_demand.v3.IPerRouteConfig;

export const HttpFault = envoy.extensions.filters.http.fault.v3.HTTPFault;
export type HttpFault = envoy.extensions.filters.http.fault.v3.HTTPFault;
export type IHttpFault = envoy.extensions.filters.http.fault.v3.IHTTPFault;

export const LocalRateLimit = envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit;
export type LocalRateLimit = envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit;
export type ILocalRateLimit = envoy.extensions.filters.http.local_ratelimit.v3.ILocalRateLimit;

export const HttpProtocolOptions = envoy.extensions.upstreams.http.v3.HttpProtocolOptions;
export type HttpProtocolOptions = envoy.extensions.upstreams.http.v3.HttpProtocolOptions;
export type IHttpProtocolOptions = envoy.extensions.upstreams.http.v3.IHttpProtocolOptions;

export const RoundRobin = envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin;
export type RoundRobin = envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin;
export type IRoundRobin = envoy.extensions.load_balancing_policies.round_robin.v3.IRoundRobin;

export const LeastRequest = envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest;
export type LeastRequest = envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest;
export type ILeastRequest = envoy.extensions.load_balancing_policies.least_request.v3.ILeastRequest;

export const RandomLb = envoy.extensions.load_balancing_policies.random.v3.Random;
export type RandomLb = envoy.extensions.load_balancing_policies.random.v3.Random;
export type IRandomLb = envoy.extensions.load_balancing_policies.random.v3.IRandom;

export const RingHash = envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash;
export type RingHash = envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash;
export type IRingHash = envoy.extensions.load_balancing_policies.ring_hash.v3.IRingHash;

export const Maglev = envoy.extensions.load_balancing_policies.maglev.v3.Maglev;
export type Maglev = envoy.extensions.load_balancing_policies.maglev.v3.Maglev;
export type IMaglev = envoy.extensions.load_balancing_policies.maglev.v3.IMaglev;

export const WrrLocality = envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality;
export type WrrLocality = envoy.extensions.load_balancing_policies.wrr_locality.v3.WrrLocality;
export type IWrrLocality = envoy.extensions.load_balancing_policies.wrr_locality.v3.IWrrLocality;

export const HttpGrpcAccessLog = envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig;
export type HttpGrpcAccessLog = envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig;
export type IHttpGrpcAccessLog = envoy.extensions.access_loggers.grpc.v3.IHttpGrpcAccessLogConfig;

export const TcpGrpcAccessLog = envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig;
export type TcpGrpcAccessLog = envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig;
export type ITcpGrpcAccessLog = envoy.extensions.access_loggers.grpc.v3.ITcpGrpcAccessLogConfig;

export const CelFilter = envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter;
export type CelFilter = envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter;
export type ICelFilter = envoy.extensions.access_loggers.filters.cel.v3.IExpressionFilter;

export const PreviousHosts = envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate;
export type PreviousHosts = envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate;
export type IPreviousHosts = envoy.extensions.retry.host.previous_hosts.v3.IPreviousHostsPredicate;

export const Secret = envoy.extensions.transport_sockets.tls.v3.Secret;
export type Secret = envoy.extensions.transport_sockets.tls.v3.Secret;
export type ISecret = envoy.extensions.transport_sockets.tls.v3.ISecret;

export const HealthCheckRequest = grpc.health.v1.HealthCheckRequest;
export type HealthCheckRequest = grpc.health.v1.HealthCheckRequest;
export type IHealthCheckRequest = grpc.health.v1.IHealthCheckRequest;

export const HealthCheckResponse = grpc.health.v1.HealthCheckResponse;
export type HealthCheckResponse = grpc.health.v1.HealthCheckResponse;
export type IHealthCheckResponse = grpc.health.v1.IHealthCheckResponse;
