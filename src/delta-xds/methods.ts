/** The gRPC methods of the xDS port (checklist 58): names of `envoy.service.*.v3`. */
import { CDS, ECDS, EDS, GRPC_PATHS, LDS, RDS, RTDS, SDS, SRDS, VHDS } from '../proto/index.ts';

/** One gRPC method that the xDS port serves. */
export interface XdsMethod {
  readonly path: string;
  readonly protocol: 'delta' | 'sotw';
  /** The only type of this method; undefined: aggregated, each request names its type. */
  readonly typeUrl?: string;
}

/** Service, the plural in its method names, its type. VHDS exists as delta only. */
const SINGLE: readonly (readonly [service: string, resources: string, typeUrl: string])[] = [
  ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners', LDS],
  ['envoy.service.route.v3.RouteDiscoveryService', 'Routes', RDS],
  ['envoy.service.route.v3.VirtualHostDiscoveryService', 'VirtualHosts', VHDS],
  ['envoy.service.route.v3.ScopedRoutesDiscoveryService', 'ScopedRoutes', SRDS],
  ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters', CDS],
  ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints', EDS],
  ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets', SDS],
  ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs', ECDS],
  ['envoy.service.runtime.v3.RuntimeDiscoveryService', 'Runtime', RTDS],
];

export const XDS_METHODS: readonly XdsMethod[] = [
  { path: GRPC_PATHS.delta, protocol: 'delta' },
  { path: GRPC_PATHS.sotw, protocol: 'sotw' },
  ...SINGLE.flatMap(([service, resources, typeUrl]): readonly XdsMethod[] => {
    const delta: XdsMethod = { path: `/${service}/Delta${resources}`, protocol: 'delta', typeUrl };
    return typeUrl === VHDS ? [delta] : [delta, { path: `/${service}/Stream${resources}`, protocol: 'sotw', typeUrl }];
  }),
];
