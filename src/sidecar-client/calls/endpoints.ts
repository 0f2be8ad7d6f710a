/** Endpoints of a `ClusterLoadAssignment` (policies.md section 2). */
import { type ClusterLoadAssignment, clusterLoadAssignment, HEALTHY } from './messages.ts';
import type { CallEndpoint } from './types.ts';

export interface AssignedEndpoint extends CallEndpoint {
  /** Unknown counts as healthy; unhealthy, draining, timed out and degraded ones are used in a panic only. */
  readonly healthy: boolean;
  /** 0 first. Tendril's own assignments have no other. */
  readonly priority: number;
}

const keyOf = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** In the order of the assignment; an address that comes twice counts once. Without address or port: left out. */
export const endpointsOf = ({ endpoints }: ClusterLoadAssignment): readonly AssignedEndpoint[] => {
  const found = new Map<string, AssignedEndpoint>();
  for (const { locality, lbEndpoints, priority } of endpoints) {
    const region = locality?.region ?? '';
    const zone = locality?.zone ?? '';
    for (const { endpoint, healthStatus, loadBalancingWeight } of lbEndpoints) {
      const { address, portValue } = endpoint?.address?.socketAddress ?? {};
      if (!address || !portValue) continue;
      const key = keyOf(address, portValue);
      if (found.has(key)) continue;
      found.set(key, {
        address,
        port: portValue,
        key,
        weight: loadBalancingWeight?.value || 1,
        region,
        zone,
        healthy: !healthStatus || healthStatus === HEALTHY,
        priority,
      });
    }
  }
  return [...found.values()];
};

export const decodeEndpoints = (body: Uint8Array): readonly AssignedEndpoint[] =>
  endpointsOf(clusterLoadAssignment.decode(body));
