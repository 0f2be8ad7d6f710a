/**
 * The cluster of a gRPC client (reference: xds-checklist, "Proxyless gRPC clients").
 *
 * - Load balancing: `ROUND_ROBIN` within localities chosen by weight, or `RING_HASH` (also for maglev). grpc-js refuses
 *   `LEAST_REQUEST`, and reads `load_balancing_policy` wrongly, so the old fields are used, which every client knows.
 * - Outlier detection: gRPC counts shares of failures, not failures in a row; kept only when a share ejects.
 * - Load reports go to this server (`lrs_server: self`): the evidence of use of clients that write no access logs.
 * - Hosts outside the mesh: `LOGICAL_DNS`, one locality with one endpoint.
 * - No transport sockets: grpc-go refuses `transport_socket_matches`, and certificates come from the client's own bootstrap.
 */
import {
  Cluster,
  type ClusterLoadAssignment,
  envoy,
  type ICluster,
  type IOutlierDetection,
  type OutlierDetection,
  RingHash,
  TYPE_URLS,
} from '../../proto/index.ts';
import type { OwnResource } from '../types.ts';
import { ADS_ON_DEMAND, resource, wrapped } from '../values.ts';

const { DiscoveryType, LbPolicy } = envoy.config.cluster.v3.Cluster;

/** "The server that this configuration came from". */
const LOAD_REPORTS: ICluster['lrsServer'] = { self: {} };

/** Above it both clients refuse the cluster. */
const MAX_RING = 8 * 1024 * 1024;

const ringSize = (size: { readonly value: number } | null): { readonly value: number } | undefined =>
  size === null ? undefined : wrapped(Math.min(size.value, MAX_RING));

const ringHash = (config: Uint8Array): ICluster => {
  const { minimumRingSize, maximumRingSize } = RingHash.decode(config);
  const maximum = ringSize(maximumRingSize);
  const minimum = ringSize(minimumRingSize);
  return {
    lbPolicy: LbPolicy.RING_HASH,
    ringHashLbConfig: {
      maximumRingSize: maximum,
      // The clients' default minimum is 1024, which may be above the maximum.
      minimumRingSize: maximum === undefined ? minimum : wrapped(Math.min(minimum?.value ?? 1024, maximum.value)),
    },
  };
};

const balancing = (cluster: Cluster): ICluster => {
  const config = cluster.loadBalancingPolicy?.policies[0]?.typedExtensionConfig?.typedConfig;
  switch (config?.typeUrl) {
    case TYPE_URLS.RingHash:
      return ringHash(config.value);
    case TYPE_URLS.Maglev:
      return { lbPolicy: LbPolicy.RING_HASH };
    default:
      return { lbPolicy: LbPolicy.ROUND_ROBIN };
  }
};

const percent = (value: { readonly value: number } | null): { readonly value: number } | undefined =>
  value === null ? undefined : wrapped(Math.min(value.value, 100));

/** Envoy ejects by success rate unless told otherwise, by share of failures only when told; so do gRPC clients. */
const outlierDetection = (outlier: OutlierDetection | null): IOutlierDetection | undefined => {
  if (outlier === null) return undefined;
  const { enforcingSuccessRate, enforcingFailurePercentage } = outlier;
  if (enforcingSuccessRate?.value === 0 && (enforcingFailurePercentage?.value ?? 0) === 0) return undefined;
  return {
    interval: outlier.interval,
    baseEjectionTime: outlier.baseEjectionTime,
    maxEjectionTime: outlier.maxEjectionTime,
    maxEjectionPercent: percent(outlier.maxEjectionPercent),
    enforcingSuccessRate: percent(enforcingSuccessRate),
    successRateMinimumHosts: outlier.successRateMinimumHosts,
    successRateRequestVolume: outlier.successRateRequestVolume,
    successRateStdevFactor: outlier.successRateStdevFactor,
    enforcingFailurePercentage: percent(enforcingFailurePercentage),
    failurePercentageThreshold: percent(outlier.failurePercentageThreshold),
    failurePercentageMinimumHosts: outlier.failurePercentageMinimumHosts,
    failurePercentageRequestVolume: outlier.failurePercentageRequestVolume,
  };
};

/** Unset means 1024 to gRPC as well; connections and pending requests have no meaning there. */
const circuitBreakers = ({ circuitBreakers: breakers }: Cluster): ICluster['circuitBreakers'] => {
  const limit = breakers?.thresholds.find(({ priority }) => priority === 0)?.maxRequests;
  return limit == null ? undefined : { thresholds: [{ maxRequests: wrapped(limit.value) }] };
};

const dnsAssignment = (assignment: ClusterLoadAssignment | null): ICluster['loadAssignment'] => {
  const address = assignment?.endpoints[0]?.lbEndpoints[0]?.endpoint?.address?.socketAddress;
  if (assignment == null || !address?.address || !address.portValue) return undefined;
  const socketAddress = { address: address.address, portValue: address.portValue };
  return {
    clusterName: assignment.clusterName,
    endpoints: [
      { locality: {}, lbEndpoints: [{ endpoint: { address: { socketAddress } } }], loadBalancingWeight: wrapped(1) },
    ],
  };
};

const discovery = (cluster: Cluster): ICluster => {
  const isDns = cluster.type === DiscoveryType.STRICT_DNS || cluster.type === DiscoveryType.LOGICAL_DNS;
  const loadAssignment = isDns ? dnsAssignment(cluster.loadAssignment) : undefined;
  if (loadAssignment !== undefined) return { type: DiscoveryType.LOGICAL_DNS, loadAssignment };
  return { type: DiscoveryType.EDS, edsClusterConfig: { edsConfig: ADS_ON_DEMAND } };
};

/** A cluster by EDS whose assignment has the cluster's name. */
export interface GrpcCluster extends OwnResource {
  /** EDS service name; absent for hosts resolved by the client. */
  readonly eds?: string;
}

/** `body`: of the Envoy form. */
export const grpcCluster = (body: Uint8Array): GrpcCluster => {
  const cluster = Cluster.decode(body);
  const found = discovery(cluster);
  const made = resource(Cluster, {
    name: cluster.name,
    ...found,
    ...balancing(cluster),
    circuitBreakers: circuitBreakers(cluster),
    outlierDetection: outlierDetection(cluster.outlierDetection),
    lrsServer: LOAD_REPORTS,
  });
  return found.type === DiscoveryType.EDS ? { ...made, eds: cluster.name } : made;
};

/** What stands for a name without a cluster that the client may hold: its calls fail at once, not after 15 s. */
export const emptyGrpcCluster = (name: string): GrpcCluster => ({
  ...resource(Cluster, {
    name,
    type: DiscoveryType.EDS,
    lbPolicy: LbPolicy.ROUND_ROBIN,
    edsClusterConfig: { edsConfig: ADS_ON_DEMAND },
    lrsServer: LOAD_REPORTS,
  }),
  eds: name,
});
