/**
 * Clusters: one per service port, one per subset in use (policies.md sections 2 and 5; contracts, "cluster"). A cluster changes
 * only when its own Upstream, protocol or external host does: Envoy drops connections and ejections with every change of one.
 */
import type { Protocol, ResolvedUpstreamSettings } from '../model/index.ts';
import { envoy, type google, HttpProtocolOptions, type ICluster, packAny, TYPE_URLS } from '../proto/index.ts';
import { loadBalancingPolicy } from './load-balancing.ts';
import { circuitBreakers, commonLb, outlierDetection } from './protection.ts';
import { ADS, CONNECT_TIMEOUT, wrapped } from './values.ts';

const { DiscoveryType, DnsLookupFamily } = envoy.config.cluster.v3.Cluster;

/** Key of `typed_extension_protocol_options`. */
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type ProtocolOptions = { readonly [name: string]: google.protobuf.IAny };

/**
 * How HTTP is spoken to the endpoints. Undefined: Envoy's default, HTTP/1.1 with as many requests per connection as come.
 * `tcp`: no HTTP at all.
 */
export const protocolOptions = (
  protocol: Protocol,
  requestsPerConnection: number | undefined,
): ProtocolOptions | undefined => {
  const http2 = protocol === 'http2' || protocol === 'grpc';
  if (protocol === 'tcp' || (!http2 && requestsPerConnection === undefined)) return undefined;
  return {
    [HTTP_OPTIONS]: packAny(TYPE_URLS.HttpProtocolOptions, HttpProtocolOptions, {
      commonHttpProtocolOptions:
        requestsPerConnection === undefined ? undefined : { maxRequestsPerConnection: wrapped(requestsPerConnection) },
      explicitHttpConfig: http2 ? { http2ProtocolOptions: {} } : { httpProtocolOptions: {} },
    }),
  };
};

const commonFields = (name: string, protocol: Protocol, settings: ResolvedUpstreamSettings): ICluster => ({
  name,
  connectTimeout: CONNECT_TIMEOUT,
  circuitBreakers: circuitBreakers(settings.limits),
  outlierDetection: settings.outlier === undefined ? undefined : outlierDetection(settings.outlier),
  commonLbConfig: commonLb(settings),
  loadBalancingPolicy: loadBalancingPolicy(settings),
  typedExtensionProtocolOptions: protocolOptions(protocol, settings.limits.requestsPerConnection),
});

/** A cluster whose endpoints come by EDS; no `service_name`, so the EDS name is the cluster's name. */
export const edsCluster = (name: string, protocol: Protocol, settings: ResolvedUpstreamSettings): ICluster => ({
  ...commonFields(name, protocol, settings),
  type: DiscoveryType.EDS,
  edsClusterConfig: { edsConfig: ADS },
});

/** A cluster of an external service without endpoint records: the sidecar resolves `host` itself. IPv4 where there is one. */
export const dnsCluster = (
  name: string,
  protocol: Protocol,
  settings: ResolvedUpstreamSettings,
  host: string,
  port: number,
): ICluster => ({
  ...commonFields(name, protocol, settings),
  type: DiscoveryType.STRICT_DNS,
  dnsLookupFamily: DnsLookupFamily.V4_PREFERRED,
  loadAssignment: {
    clusterName: name,
    endpoints: [
      {
        lbEndpoints: [{ endpoint: { address: { socketAddress: { address: host, portValue: port } } } }],
        loadBalancingWeight: wrapped(1),
      },
    ],
  },
});
