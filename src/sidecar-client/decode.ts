/** What a client reads out of resources: enough to call a service, no more. Throws on bytes that are no such message. */
import { Cluster, ClusterLoadAssignment, envoy, VirtualHost } from '../proto/index.ts';

const { DiscoveryType } = envoy.config.cluster.v3.Cluster;
const { HealthStatus } = envoy.config.core.v3;

export interface DecodedCluster {
  readonly name: string;
  /** EDS name; undefined: not of type EDS. */
  readonly eds: string | undefined;
}

export const decodeCluster = (body: Uint8Array): DecodedCluster => {
  const { name, type, edsClusterConfig } = Cluster.decode(body);
  if (type !== DiscoveryType.EDS) return { name, eds: undefined };
  return { name, eds: edsClusterConfig?.serviceName || name };
};

export interface Endpoint {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly healthy: boolean;
  readonly region: string;
  readonly zone: string;
}

export const decodeAssignment = (
  body: Uint8Array,
): { readonly clusterName: string; readonly endpoints: readonly Endpoint[] } => {
  const { clusterName, endpoints } = ClusterLoadAssignment.decode(body);
  const list: Endpoint[] = [];
  for (const { locality, lbEndpoints } of endpoints)
    for (const { endpoint, healthStatus, loadBalancingWeight } of lbEndpoints ?? []) {
      const socket = endpoint?.address?.socketAddress;
      if (!socket?.address || !socket.portValue) continue;
      list.push({
        address: socket.address,
        port: socket.portValue,
        weight: loadBalancingWeight?.value ?? 1,
        healthy: healthStatus === HealthStatus.UNKNOWN || healthStatus === HealthStatus.HEALTHY || !healthStatus,
        region: locality?.region ?? '',
        zone: locality?.zone ?? '',
      });
    }
  return { clusterName, endpoints: list };
};

export interface DecodedHost {
  readonly name: string;
  readonly domains: readonly string[];
  /** Clusters of the route that takes everything: the last one without conditions. Weights are as written. */
  readonly targets: readonly { readonly cluster: string; readonly weight: number }[];
}

export const decodeVirtualHost = (body: Uint8Array): DecodedHost => {
  const { name, domains, routes } = VirtualHost.decode(body);
  let targets: { cluster: string; weight: number }[] = [];
  for (const { match, route } of routes) {
    if (!route || match?.prefix !== '/' || (match.headers ?? []).length > 0) continue;
    if (route.cluster) targets = [{ cluster: route.cluster, weight: 1 }];
    else if (route.weightedClusters)
      targets = (route.weightedClusters.clusters ?? []).map((target) => ({
        cluster: target.name ?? '',
        weight: target.weight?.value ?? 0,
      }));
  }
  return { name, domains, targets };
};

/** Every cluster that a virtual host's routes send calls to. */
export const clustersOf = (body: Uint8Array): readonly string[] => {
  const names = new Set<string>();
  for (const { route } of VirtualHost.decode(body).routes) {
    if (route?.cluster) names.add(route.cluster);
    for (const { name } of route?.weightedClusters?.clusters ?? []) if (name) names.add(name);
  }
  return [...names];
};
