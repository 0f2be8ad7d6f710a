/**
 * What stands for a name that a sidecar asked for and may not have, or that does not exist: a cluster or an assignment without
 * endpoints. The call gets 503 within 3 ms, every time; a removal would cost the whole on-demand time-out at each later call
 * (envoy-wire2 section 1). A real cluster of the same name replaces it by a push.
 */
import { Cluster, ClusterLoadAssignment, envoy } from '../proto/index.ts';
import type { OwnResource } from './types.ts';
import { CONNECT_TIMEOUT, resource } from './values.ts';

export const emptyCluster = (name: string): OwnResource =>
  resource(Cluster, {
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.STATIC,
    connectTimeout: CONNECT_TIMEOUT,
  });

export const emptyAssignment = (name: string): OwnResource => resource(ClusterLoadAssignment, { clusterName: name });
