/**
 * What a call through the client library costs before anything is sent: choosing the endpoint and giving it back (issue 7, 1.7), for each
 * balancer and size of cluster, and choosing the route. Microseconds for one, the median of rounds.
 */
import {
  Cluster,
  ClusterLoadAssignment,
  LeastRequest,
  Maglev,
  packAny,
  RandomLb,
  RingHash,
  RoundRobin,
  TYPE_URLS,
  VirtualHost,
} from '../src/proto/index.ts';
import { createCallCore } from '../src/sidecar-client/calls/index.ts';
import type { ConfigSource, HeldResource } from '../src/sidecar-client/config-source.ts';

export interface PickOptions {
  readonly sizes?: readonly number[];
  readonly calls?: number;
  readonly rounds?: number;
}

const ZONES = { zoneAwareLbConfig: { minClusterSize: { value: 2 } } };

const POLICIES = {
  roundRobin: ['round_robin', packAny(TYPE_URLS.RoundRobin, RoundRobin, { localityLbConfig: ZONES })],
  leastRequest: [
    'least_request',
    packAny(TYPE_URLS.LeastRequest, LeastRequest, { choiceCount: { value: 2 }, localityLbConfig: ZONES }),
  ],
  random: ['random', packAny(TYPE_URLS.RandomLb, RandomLb, { localityLbConfig: ZONES })],
  ringHash: ['ring_hash', packAny(TYPE_URLS.RingHash, RingHash, {})],
  maglev: ['maglev', packAny(TYPE_URLS.Maglev, Maglev, {})],
} as const;

const OUTCOME = { end: 'answered', status: 200 } as const;
const NAME = 'cart.shop:80';
const HOST = 'cart.shop';

const held = (body: Uint8Array): HeldResource => ({ name: NAME, version: '1', body });

const sourceOf = (policy: keyof typeof POLICIES, endpoints: number, weighted: boolean): ConfigSource => {
  const [name, typedConfig] = POLICIES[policy];
  const cluster = held(
    Cluster.encode({
      name: NAME,
      type: 3,
      commonLbConfig: { healthyPanicThreshold: { value: 1 } },
      circuitBreakers: { thresholds: [{ maxRequests: { value: 1_000_000 } }] },
      outlierDetection: { consecutive5xx: { value: 5 }, maxEjectionPercent: { value: 70 } },
      loadBalancingPolicy: {
        policies: [{ typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } }],
      },
    }).finish(),
  );
  const zones = ['a', 'b', 'c'];
  const assignment = held(
    ClusterLoadAssignment.encode({
      clusterName: NAME,
      endpoints: zones.map((zone, at) => ({
        locality: { region: 'eu', zone },
        lbEndpoints: Array.from({ length: endpoints }, (_, index) => index)
          .filter((index) => index % zones.length === at)
          .map((index) => ({
            endpoint: { address: { socketAddress: { address: `10.0.${index >> 8}.${index & 255}`, portValue: 80 } } },
            loadBalancingWeight: { value: weighted ? 1 + (index % 5) : 1 },
          })),
      })),
    }).finish(),
  );
  const rule = (index: number) => ({
    name: `${NAME}/r${index}`,
    match: {
      pathSeparatedPrefix: `/v${index}`,
      headers: [{ name: 'x-user', stringMatch: { safeRegex: { regex: 'a|b|c' } } }],
    },
    route: { cluster: NAME },
  });
  const virtualHost = held(
    VirtualHost.encode({
      domains: [HOST],
      routes: [
        ...Array.from({ length: 10 }, (_, index) => rule(index)),
        { name: NAME, match: { prefix: '/' }, route: { cluster: NAME } },
      ],
    }).finish(),
  );
  return {
    locality: { region: '', zone: '' },
    virtualHostOf: () => virtualHost,
    cluster: () => cluster,
    assignmentOf: () => assignment,
    ready: () => Promise.resolve(true),
    touch: () => undefined,
    onChange: () => () => undefined,
  };
};

const microseconds = (rounds: number, calls: number, run: () => void): number => {
  const all: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const from = process.hrtime.bigint();
    for (let count = 0; count < calls; count++) run();
    // The first round is for the compiler.
    if (round > 0) all.push(Number(process.hrtime.bigint() - from) / 1_000 / calls);
  }
  all.sort((a, b) => a - b);
  return Number((all[all.length >> 1] ?? 0).toFixed(3));
};

export const run = (options: PickOptions = {}): Readonly<Record<string, unknown>> => {
  const { sizes = [10, 100, 1_000], calls = 200_000, rounds = 5 } = options;
  const pickUs: Record<string, Record<string, number>> = {};
  let most = 0;
  for (const policy of Object.keys(POLICIES) as (keyof typeof POLICIES)[])
    for (const weighted of [false, true]) {
      const row: Record<string, number> = {};
      for (const size of sizes) {
        const core = createCallCore({ source: sourceOf(policy, size, weighted), random: Math.random });
        const cluster = core.cluster(NAME);
        if (cluster === undefined) throw new Error('no cluster');
        let user = 0;
        const us = microseconds(rounds, calls, () => {
          const pick = cluster.pick(`user-${user++ & 1023}`, undefined, 0);
          if (typeof pick === 'object') pick.release(OUTCOME, 0);
        });
        row[size] = us;
        most = Math.max(most, us);
        core.close();
      }
      pickUs[weighted ? `${policy}, weights differ` : policy] = row;
    }
  const core = createCallCore({ source: sourceOf('random', 10, false), random: Math.random });
  const facts = {
    authority: HOST,
    method: 'GET',
    path: '/other?q=1',
    header: (name: string) => (name === 'x-user' ? 'd' : undefined),
  };
  const routeUs = microseconds(rounds, calls, () => void core.route(facts));
  return { pickAndReleaseUs: pickUs, slowestUs: most, routeOfElevenUs: routeUs };
};
