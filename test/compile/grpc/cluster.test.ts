/** Clusters for gRPC clients, as the real client reads them: nothing it would refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { emptyCluster, emptyGrpcCluster, grpcCluster } from '../../../src/compile/index.ts';
import { Cluster, contentVersion, encodeCanonical, type ICluster } from '../../../src/proto/index.ts';
import { plain } from '../plain.ts';
import { compileAll, endpoint, find, mesh, port, service } from '../support.ts';
import { taken } from './client.ts';
import { upstreamSpec } from './specs.ts';

const NAME = 'cart.shop:80';

const made = (upstream: unknown, fields: Parameters<typeof service>[1] = {}) => {
  const inputs = mesh({
    services: [service('cart.shop', { ports: [port(80, 'grpc')], ...fields })],
    yaml: `
kind: Upstream
metadata: {name: cart, namespace: shop}
spec: ${JSON.stringify(upstream)}
`,
  });
  return grpcCluster(find(compileAll(inputs), 'cds', NAME).body);
};
const raw = (cluster: ICluster) => grpcCluster(encodeCanonical(Cluster, cluster));

test('endpoints over ads under the same name; nothing but what clients read', () => {
  const cluster = made({});
  assert.equal(cluster.eds, NAME);
  assert.equal(cluster.version, contentVersion([cluster.body]));
  assert.deepEqual(plain(Cluster.decode(cluster.body)), {
    circuitBreakers: { thresholds: [{ maxRequests: { value: 4294967295 } }] },
    edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 2 } },
    lrsServer: { self: {} },
    name: NAME,
    type: 3,
  });
  const { name, value } = taken('cds', cluster.body);
  assert.equal(name, NAME);
  assert.ok(value.lrsLoadReportingServer !== undefined, 'load reports go to the server of the configuration');
  assert.equal(value.type, 'EDS');
  assert.equal(value.edsServiceName, undefined);
});

describe('load balancing', () => {
  const policy = (lb: unknown, hash?: unknown): unknown =>
    taken('cds', made({ lb, ...(hash === undefined ? {} : { hash }) }).body).value.lbPolicyConfig;
  const roundRobin = [{ xds_wrr_locality: { child_policy: [{ round_robin: {} }] } }];

  test('round robin for all that choose freely', () => {
    for (const lb of [{ roundRobin: {} }, { random: {} }, { leastRequest: { choices: 10 } }])
      assert.deepEqual(policy(lb), roundRobin);
  });

  test('ring hash for all that choose by key', () => {
    const hash = [{ header: 'x-user' }];
    const ring = (min: number, max: number) => [{ ring_hash: { min_ring_size: min, max_ring_size: max } }];
    assert.deepEqual(policy({ ringHash: {} }, hash), ring(1024, 8388608));
    assert.deepEqual(policy({ ringHash: { min: 7, max: 9 } }, hash), ring(7, 9));
    assert.deepEqual(policy({ ringHash: { max: 9 } }, hash), ring(9, 9));
    assert.deepEqual(policy({ maglev: { table: 101 } }, hash), ring(1024, 8388608));
  });
});

test('limits: requests; clients themselves take 1024 where nothing is said', () => {
  assert.equal(taken('cds', made({ limits: { requests: 7, connections: 3 } }).body).value.maxConcurrentRequests, 7);
  assert.equal(taken('cds', raw({ name: 'a' }).body).value.maxConcurrentRequests, undefined);
});

describe('outlier detection', () => {
  test('failures in a row eject nobody', () => {
    const { value } = taken('cds', made({ outlier: { consecutive5xx: 3 } }).body);
    assert.deepEqual(value.outlierDetectionUpdate, { child_policy: [] });
  });

  test('shares of failures do; percents within bounds', () => {
    const { value } = taken(
      'cds',
      raw({
        name: 'a',
        outlierDetection: {
          interval: { seconds: 5 },
          baseEjectionTime: { seconds: 30 },
          maxEjectionPercent: { value: 700 },
          enforcingSuccessRate: { value: 0 },
          enforcingFailurePercentage: { value: 100 },
          failurePercentageThreshold: { value: 85 },
          failurePercentageRequestVolume: { value: 20 },
        },
      }).body,
    );
    assert.equal(value.outlierDetectionUpdate.max_ejection_percent, 100);
    assert.equal(value.outlierDetectionUpdate.success_rate_ejection, undefined);
    assert.equal(value.outlierDetectionUpdate.failure_percentage_ejection.threshold, 85);
  });
});

test('a host outside the mesh is resolved by the client; with endpoints it is like any other', () => {
  const external = { externalHosts: ['www.example.com'] };
  const cluster = made({}, external);
  assert.equal(cluster.eds, undefined);
  const { value } = taken('cds', cluster.body);
  assert.equal(value.type, 'LOGICAL_DNS');
  assert.equal(value.dnsHostname, 'www.example.com:80');

  const inputs = mesh({ services: [service('cart.shop', external)], endpoints: { 'cart.shop': [endpoint('e1')] } });
  assert.equal(taken('cds', grpcCluster(find(compileAll(inputs), 'cds', NAME).body).body).value.type, 'EDS');
});

test('a cluster that clients do not know has its name and no endpoints', () => {
  assert.equal(taken('cds', emptyGrpcCluster(NAME).body).value.type, 'EDS');
  assert.equal(taken('cds', grpcCluster(emptyCluster(NAME).body).body).value.type, 'EDS');
  assert.deepEqual(Buffer.from(grpcCluster(emptyCluster(NAME).body).body), Buffer.from(emptyGrpcCluster(NAME).body));
});

test('every Upstream that is accepted gives a cluster that the client takes', () => {
  fc.assert(
    fc.property(upstreamSpec, fc.boolean(), (spec, isExternal) => {
      const cluster = made(spec, isExternal ? { externalHosts: ['a.example.com'] } : {});
      assert.equal(taken('cds', cluster.body).name, NAME);
    }),
    { numRuns: 300 },
  );
});
