/** What a client reads out of resources: enough to call a service, no more. Throws on bytes that are no such message. */
import { clusterLoadAssignment, HEALTHY } from './calls/index.ts';
import { readCluster, readHostNames, targetsOf } from './read-resource.ts';

export interface DecodedCluster {
  readonly name: string;
  /** EDS name; undefined: not of type EDS. */
  readonly eds: string | undefined;
}

export const decodeCluster: (body: Uint8Array) => DecodedCluster = readCluster;

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
  const { clusterName, endpoints } = clusterLoadAssignment.decode(body);
  const list: Endpoint[] = [];
  for (const { locality, lbEndpoints } of endpoints)
    for (const { endpoint, healthStatus, loadBalancingWeight } of lbEndpoints) {
      const socket = endpoint?.address?.socketAddress;
      if (!socket?.address || !socket.portValue) continue;
      list.push({
        address: socket.address,
        port: socket.portValue,
        weight: loadBalancingWeight?.value ?? 1,
        healthy: healthStatus === 0 || healthStatus === HEALTHY,
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
  /** Its domains are in the index: they need not be kept. */
  settle?(): void;
}

export const decodeVirtualHost = (body: Uint8Array): DecodedHost => ({
  ...readHostNames(body),
  targets: targetsOf(body),
});
