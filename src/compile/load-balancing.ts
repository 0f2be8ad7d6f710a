/**
 * `lb` and `locality.zoneAware` of Upstream -> `Cluster.load_balancing_policy` (policies.md section 5). A list of one entry: an
 * Envoy knows each of them; entries for clients that do not come with the `grpc` variant.
 */
import type { ResolvedLoadBalancing, ResolvedUpstreamSettings } from '../model/index.ts';
import {
  type envoy,
  type ILoadBalancingPolicy,
  LeastRequest,
  Maglev,
  packAny,
  RandomLb,
  RingHash,
  RoundRobin,
  TYPE_URLS,
} from '../proto/index.ts';
import { wrapped } from './values.ts';

type LocalityLb = envoy.extensions.load_balancing_policies.common.v3.ILocalityLbConfig;
type ConsistentHashing = envoy.extensions.load_balancing_policies.common.v3.IConsistentHashingLbConfig;

/** Own zone first from 2 endpoints on (Envoy's default is 6); routing 0 %: never, as unset would mean 100 %. */
const localityLb = (zoneAware: boolean): LocalityLb => ({
  zoneAwareLbConfig: zoneAware ? { minClusterSize: wrapped(2) } : { routingEnabled: { value: 0 } },
});

const bound = (percent: number | undefined): ConsistentHashing | undefined =>
  percent === undefined ? undefined : { hashBalanceFactor: wrapped(percent) };

const policy = (name: string, typedConfig: ReturnType<typeof packAny>): ILoadBalancingPolicy => ({
  policies: [{ typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } }],
});

const ringHash = (lb: ResolvedLoadBalancing & { readonly kind: 'ringHash' }): ILoadBalancingPolicy =>
  policy(
    'ring_hash',
    packAny(TYPE_URLS.RingHash, RingHash, {
      minimumRingSize: lb.minRing === undefined ? undefined : wrapped(lb.minRing),
      maximumRingSize: lb.maxRing === undefined ? undefined : wrapped(lb.maxRing),
      consistentHashingLbConfig: bound(lb.boundPercent),
    }),
  );

/** Zone awareness has no meaning for ringHash and maglev: the key decides. */
export const loadBalancingPolicy = ({ lb, zoneAware }: ResolvedUpstreamSettings): ILoadBalancingPolicy => {
  switch (lb.kind) {
    case 'roundRobin':
      return policy(
        'round_robin',
        packAny(TYPE_URLS.RoundRobin, RoundRobin, { localityLbConfig: localityLb(zoneAware) }),
      );
    case 'leastRequest':
      return policy(
        'least_request',
        packAny(TYPE_URLS.LeastRequest, LeastRequest, {
          choiceCount: wrapped(lb.choices),
          localityLbConfig: localityLb(zoneAware),
        }),
      );
    case 'random':
      return policy('random', packAny(TYPE_URLS.RandomLb, RandomLb, { localityLbConfig: localityLb(zoneAware) }));
    case 'ringHash':
      return ringHash(lb);
    case 'maglev':
      return policy(
        'maglev',
        packAny(TYPE_URLS.Maglev, Maglev, {
          tableSize: lb.table === undefined ? undefined : wrapped(lb.table),
          consistentHashingLbConfig: bound(lb.boundPercent),
        }),
      );
  }
};
