/** The decoders and matchers of the real client (@grpc/grpc-js-xds): what they refuse, a client would NACK. */
import { Metadata } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { getPredicateForMatcher } from '@grpc/grpc-js-xds/build/src/route.js';
import { WeightedClusterRouteAction } from '@grpc/grpc-js-xds/build/src/route-action.js';
import { ClusterResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/cluster-resource-type.js';
import { EndpointResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/endpoint-resource-type.js';
import { ListenerResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/listener-resource-type.js';
import { RouteConfigurationResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/route-config-resource-type.js';
import type { XdsDecodeContext } from '@grpc/grpc-js-xds/build/src/xds-resource-type/xds-resource-type.js';
import { CDS, EDS, LDS, RDS } from '../../../src/proto/index.ts';

register(); // filters and load balancing policies

const TYPES = {
  lds: { url: LDS, type: ListenerResourceType.get() },
  rds: { url: RDS, type: RouteConfigurationResourceType.get() },
  cds: { url: CDS, type: ClusterResourceType.get() },
  eds: { url: EDS, type: EndpointResourceType.get() },
};

const SERVER = { server_uri: 'dns:127.0.0.1:1', channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] };

const CONTEXT: XdsDecodeContext = {
  server: SERVER,
  bootstrap: {
    xdsServers: [SERVER],
    node: { id: 'a', locality: {} },
    authorities: {},
    clientDefaultListenerResourceNameTemplate: '%s',
    serverListenerResourceNameTemplate: null,
    certificateProviders: {},
  } as XdsDecodeContext['bootstrap'],
};

export interface Taken {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: the client's own decoded form, read by tests field by field
  readonly value: any;
}

/** What the client makes of the bytes; throws with its words where it would NACK. */
export const taken = (type: keyof typeof TYPES, body: Uint8Array): Taken => {
  const { url, type: reader } = TYPES[type];
  const result = reader.decode(CONTEXT, { type_url: url, value: Buffer.from(body) });
  if (result.error !== undefined) throw new Error(result.error);
  return { name: result.name, value: result.value };
};

/** By the decoded match: the client's RE2 frees nothing, so each is made once. */
const predicates = new WeakMap<object, ReturnType<typeof getPredicateForMatcher>>();

/** Cluster, or `cluster:weight,…`, that the client chooses for a call; undefined: no route. */
export const chosen = (
  // biome-ignore lint/suspicious/noExplicitAny: as above
  routes: readonly any[],
  method: string,
  headers: Readonly<Record<string, string>> = {},
): string | undefined => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.add(key, value);
  for (const { match, route } of routes) {
    const predicate = predicates.get(match) ?? getPredicateForMatcher(match);
    predicates.set(match, predicate);
    if (!predicate.apply(method, metadata)) continue;
    if (route.cluster_specifier === 'cluster') return route.cluster;
    const clusters = route.weighted_clusters.clusters.map((each: { name: string; weight: { value: number } }) => ({
      name: each.name,
      weight: each.weight.value,
      dynamicFilterFactories: [],
    }));
    const total = clusters.reduce((sum: number, { weight }: { weight: number }) => sum + weight, 0);
    new WeightedClusterRouteAction(clusters, total, { name: [] }, []).getCluster();
    return clusters.map(({ name, weight }: { name: string; weight: number }) => `${name}=${weight}`).join(',');
  }
  return undefined;
};
