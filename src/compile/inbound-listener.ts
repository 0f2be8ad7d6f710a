/**
 * The way into the application: listener `inbound/<service port>` and its cluster `inbound:<service port>` (contracts, "listeners";
 * envoy-wire2 section 12). It adds no limit of its own: time-outs, retries and breakers are the callers' (policies.md).
 */
import type { ServicePortSpec } from '../model/index.ts';
import {
  envoy,
  type ICluster,
  type IHttpConnectionManager,
  type IListener,
  packAny,
  Router,
  TYPE_URLS,
} from '../proto/index.ts';
import { protocolOptions } from './cluster.ts';
import { httpManager, INBOUND, listener, PASS_THROUGH, tcpProxy, WEBSOCKET } from './listener-parts.ts';
import { NO_LIMITS } from './protection.ts';
import { CONNECT_TIMEOUT, duration, wrapped } from './values.ts';

export const inboundListenerName = (port: number): string => `inbound/${port}`;
export const inboundClusterName = (port: number): string => `inbound:${port}`;

const NONE = duration(0);

/**
 * Clusters are not validated: a listener refused because its cluster was not there yet would not be tried again.
 */
const manager = (cluster: string): IHttpConnectionManager => ({
  statPrefix: cluster,
  routeConfig: {
    name: cluster,
    validateClusters: wrapped(false),
    virtualHosts: [
      {
        name: cluster,
        domains: ['*'],
        routes: [{ name: cluster, match: { prefix: '/' }, route: { cluster, timeout: NONE, idleTimeout: NONE } }],
      },
    ],
  },
  httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: packAny(TYPE_URLS.Router, Router, {}) }],
  streamIdleTimeout: NONE,
  upgradeConfigs: WEBSOCKET,
  serverHeaderTransformation: PASS_THROUGH,
});

export const inboundListener = (spec: ServicePortSpec, address: string, port: number): IListener => {
  const cluster = inboundClusterName(spec.port);
  const filter = spec.protocol === 'tcp' ? tcpProxy({ statPrefix: cluster, cluster }) : httpManager(manager(cluster));
  return listener(inboundListenerName(spec.port), address, port, INBOUND, [filter]);
};

/** `port`: where the application listens. */
export const inboundCluster = (spec: ServicePortSpec, address: string, port: number): ICluster => {
  const name = inboundClusterName(spec.port);
  return {
    name,
    type: envoy.config.cluster.v3.Cluster.DiscoveryType.STATIC,
    connectTimeout: CONNECT_TIMEOUT,
    circuitBreakers: NO_LIMITS,
    typedExtensionProtocolOptions: protocolOptions(spec.protocol, undefined),
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address, portValue: port } } } }] }],
    },
  };
};
