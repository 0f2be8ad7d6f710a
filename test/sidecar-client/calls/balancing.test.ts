/** Which endpoint gets a call: shares within bounds for every balancer, consistent hashing, own zone first, panic. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type ICluster,
  LeastRequest,
  Maglev,
  packAny,
  RandomLb,
  RingHash,
  RoundRobin,
  TYPE_URLS,
} from '../../../src/proto/index.ts';
import type { Pick } from '../../../src/sidecar-client/calls/index.ts';
import { addresses, assignment, coreOf, NAME, ok, picked, type TestEndpoint, tally } from './held.ts';

const policy = (name: string, typedConfig: ReturnType<typeof packAny>): ICluster => ({
  loadBalancingPolicy: {
    policies: [{ typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } }],
  },
});
const ZONES = { zoneAwareLbConfig: { minClusterSize: { value: 2 } } };
const roundRobin = policy('round_robin', packAny(TYPE_URLS.RoundRobin, RoundRobin, { localityLbConfig: ZONES }));
const leastRequest = policy(
  'least_request',
  packAny(TYPE_URLS.LeastRequest, LeastRequest, { choiceCount: { value: 2 } }),
);
const random = policy('random', packAny(TYPE_URLS.RandomLb, RandomLb, {}));
const ring = policy('ring_hash', packAny(TYPE_URLS.RingHash, RingHash, { minimumRingSize: { value: 4_096 } }));
const maglev = (tableSize = 2_039, factor?: number): ICluster =>
  policy(
    'maglev',
    packAny(TYPE_URLS.Maglev, Maglev, {
      tableSize: { value: tableSize },
      consistentHashingLbConfig: factor === undefined ? undefined : { hashBalanceFactor: { value: factor } },
    }),
  );

test('round robin: after any number of calls each endpoint has its share by weight, give or take its bound', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 300 }),
      fc.integer(),
      (weights, calls, seed) => {
        const endpoints = addresses(weights.length).map((each, index) => ({ ...each, weight: weights[index] ?? 1 }));
        const { cluster } = coreOf(endpoints, roundRobin, { seed });
        const counts = tally(cluster, calls);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (const { address, weight } of endpoints) {
          const due = (calls * weight) / total;
          const bound = 1 + (endpoints.length * weight) / total;
          assert.ok(
            Math.abs((counts.get(address) ?? 0) - due) <= bound,
            `${address}: ${counts.get(address)} of ${due}`,
          );
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('round robin: turns go on where they were when endpoints come and go', () => {
  const { cluster, held } = coreOf(addresses(4), roundRobin);
  const before = tally(cluster, 2);
  held.put('assignment', NAME, assignment(addresses(5)));
  const counts = tally(cluster, 2);
  for (const address of before.keys()) assert.ok(!counts.has(address), `${address} had its turn`);
});

test('random: near equal shares; least request: near equal shares of calls that end at once', () => {
  for (const fields of [random, leastRequest]) {
    const counts = tally(coreOf(addresses(10), fields).cluster, 5_000);
    assert.equal(counts.size, 10);
    for (const count of counts.values()) assert.ok(count > 350 && count < 650, `${count}`);
  }
});

test('least request: an endpoint whose calls hang gets few more', () => {
  const { cluster } = coreOf(addresses(5), leastRequest, { seed: 7 });
  const slow = '10.0.0.0';
  let given = 0;
  for (let count = 0; count < 1_000; count++) {
    const { endpoint, release } = picked(cluster.pick(undefined, undefined, 0));
    if (endpoint.address === slow) given += 1;
    else release(ok, 0);
  }
  // Alone it gets those calls for which it was drawn twice: 1 in 25.
  assert.ok(given > 10 && given < 80, `${given}`);
});

test('least request with weights: shares by weight, and a busy endpoint waits longer', () => {
  const endpoints = [
    { address: '10.0.0.1', weight: 3 },
    { address: '10.0.0.2', weight: 1 },
  ];
  const { cluster } = coreOf(endpoints, leastRequest);
  assert.equal(tally(cluster, 400).get('10.0.0.1'), 300);
  const hanging: Pick[] = [];
  let heavy = 0;
  for (let count = 0; count < 400; count++) {
    const pick = picked(cluster.pick(undefined, undefined, 0));
    if (pick.endpoint.address === '10.0.0.1') {
      heavy += 1;
      if (hanging.length < 5) hanging.push(pick);
      else pick.release(ok, 0);
    } else pick.release(ok, 0);
  }
  assert.ok(heavy < 200, `${heavy}`);
});

describe('consistent hashing', () => {
  const keys = Array.from({ length: 500 }, (_, index) => `user-${index}`);
  const placed = (endpoints: readonly TestEndpoint[], fields: ICluster, seed = 1): Map<string, string> => {
    const { cluster } = coreOf(endpoints, fields, { seed });
    return new Map(
      keys.map((key) => {
        const { endpoint, release } = picked(cluster.pick(key, undefined, 0));
        release(ok, 0);
        return [key, endpoint.address];
      }),
    );
  };

  for (const [name, fields] of [
    ['ring', ring],
    ['maglev', maglev()],
  ] as const) {
    test(`${name}: the same key goes to the same endpoint, in every caller, whatever the order of the assignment`, () => {
      const endpoints = addresses(10);
      assert.deepEqual(placed(endpoints, fields), placed([...endpoints].reverse(), fields, 99));
    });

    test(`${name}: when one of ten endpoints goes, its keys move, and few others`, () => {
      const before = placed(addresses(10), fields);
      const after = placed(addresses(9), fields);
      const gone = '10.0.0.9';
      // The ring has as many entries with nine as with ten: those added take keys as well, as in Envoy.
      const most = name === 'ring' ? 0.15 : 0.06;
      const moved = keys.filter((key) => before.get(key) !== gone && before.get(key) !== after.get(key));
      assert.ok(keys.some((key) => before.get(key) === gone));
      assert.ok(moved.length < keys.length * most, `${moved.length} moved`);
    });

    test(`${name}: keys by weight; without a key any endpoint`, () => {
      const endpoints = addresses(4).map((each, index) => ({ ...each, weight: index === 0 ? 3 : 1 }));
      const heavy = [...placed(endpoints, fields).values()].filter((address) => address === '10.0.0.0').length;
      assert.ok(heavy > 180 && heavy < 320, `${heavy} of 500`);
      assert.equal(tally(coreOf(endpoints, fields).cluster, 200).size, 4);
    });

    test(`${name}: a retry goes to another endpoint, the same for the same key`, () => {
      const { cluster } = coreOf(addresses(5), fields);
      for (const key of keys.slice(0, 50)) {
        const first = picked(cluster.pick(key, undefined, 0)).endpoint.key;
        const again = picked(cluster.pick(key, new Set([first]), 0)).endpoint.key;
        assert.notEqual(again, first);
      }
    });
  }

  test('bound: no endpoint has more than its share of the mean, rounded up', () => {
    const { cluster } = coreOf(addresses(5), maglev(2_039, 120));
    const active = new Map<string, number>();
    for (let count = 1; count <= 200; count++) {
      const { endpoint } = picked(cluster.pick('one key', undefined, 0));
      active.set(endpoint.address, (active.get(endpoint.address) ?? 0) + 1);
      for (const each of active.values()) assert.ok(each <= Math.ceil((count * 1.2) / 5), `${each} of ${count}`);
    }
  });
});

describe('own zone first', () => {
  const at = (zone: string, region: string, count: number, healthStatus: 0 | 2 = 0): TestEndpoint[] =>
    Array.from({ length: count }, (_, index) => ({
      address: `${zone}${index}${healthStatus}`,
      zone,
      region,
      healthStatus,
    }));
  const locality = { region: 'eu', zone: 'a' };
  const shares = (
    endpoints: readonly TestEndpoint[],
    fields = roundRobin,
    place = locality,
  ): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const [address, count] of tally(coreOf(endpoints, fields, { locality: place }).cluster, 1_000)) {
      const zone = address[0] ?? '';
      counts[zone] = (counts[zone] ?? 0) + count;
    }
    return counts;
  };

  test('all calls stay while the zone is healthy enough', () => {
    assert.deepEqual(shares([...at('a', 'eu', 2), ...at('b', 'eu', 6)]), { a: 1_000 });
    assert.deepEqual(shares([...at('a', 'eu', 3), ...at('a', 'eu', 1, 2), ...at('b', 'eu', 6)]), { a: 1_000 });
  });

  test('with half of the zone failed 70 % stay, the rest goes to the region', () => {
    const {
      a = 0,
      b = 0,
      c = 0,
    } = shares([...at('a', 'eu', 1), ...at('a', 'eu', 1, 2), ...at('b', 'eu', 2), ...at('c', 'us', 2)]);
    assert.ok(a > 650 && a < 750 && a + b === 1_000 && c === 0, `${a} ${b} ${c}`);
  });

  test('no endpoint in the zone: the region; none in the region: all', () => {
    assert.deepEqual(shares([...at('b', 'eu', 2), ...at('c', 'us', 2)]), { b: 1_000 });
    assert.deepEqual(shares([...at('c', 'us', 1), ...at('d', 'us', 1)]), { c: 500, d: 500 });
  });

  test('unknown locality, zoneAware off, or too few endpoints: all alike', () => {
    const endpoints = [...at('a', 'eu', 1), ...at('b', 'eu', 1)];
    assert.deepEqual(shares(endpoints, roundRobin, { region: '', zone: '' }), { a: 500, b: 500 });
    const off = policy(
      'round_robin',
      packAny(TYPE_URLS.RoundRobin, RoundRobin, {
        localityLbConfig: { zoneAwareLbConfig: { routingEnabled: { value: 0 } } },
      }),
    );
    assert.deepEqual(shares(endpoints, off), { a: 500, b: 500 });
    assert.deepEqual(shares([...at('b', 'eu', 1), ...at('a', 'eu', 1, 2)]), { b: 1_000 });
  });
});

describe('health and panic', () => {
  const sick = (count: number): TestEndpoint[] => addresses(count).map((each) => ({ ...each, healthStatus: 2 }));
  const panic = (value: number): ICluster => ({ ...roundRobin, commonLbConfig: { healthyPanicThreshold: { value } } });

  test('unhealthy and draining ones get nothing', () => {
    const endpoints: TestEndpoint[] = [
      { address: 'a' },
      { address: 'b', healthStatus: 2 },
      { address: 'c', healthStatus: 3 },
    ];
    assert.deepEqual([...tally(coreOf(endpoints, panic(1)).cluster, 20)], [['a', 20]]);
  });

  test('panicPercent 1: all of them when none is healthy; 0: none; 60: all when half are', () => {
    assert.equal(tally(coreOf(sick(3), panic(1)).cluster, 30).size, 3);
    assert.equal(coreOf(sick(3), panic(0)).cluster.pick(undefined, undefined, 0), 'no-endpoint');
    assert.equal(tally(coreOf([{ address: 'a' }, { address: 'b', healthStatus: 2 }], panic(60)).cluster, 30).size, 2);
  });

  test('no endpoints: nothing to pick; a cluster no longer held says so', () => {
    const { cluster, held, core } = coreOf([], panic(1));
    assert.equal(cluster.pick(undefined, undefined, 0), 'no-endpoint');
    held.put('cluster', NAME, undefined);
    assert.equal(cluster.pick(undefined, undefined, 0), 'no-cluster');
    assert.equal(core.cluster(NAME), undefined);
  });

  test('lower priorities are used when no endpoint of a higher one is usable', () => {
    const endpoints: TestEndpoint[] = [
      { address: 'a', healthStatus: 2 },
      { address: 'b', priority: 1 },
      { address: 'c', priority: 2 },
    ];
    assert.deepEqual([...tally(coreOf(endpoints, panic(1)).cluster, 5)], [['b', 5]]);
  });

  test('a retry avoids what was tried, as long as there is another', () => {
    for (const fields of [roundRobin, leastRequest, random]) {
      const { cluster } = coreOf(addresses(3), fields);
      for (let count = 0; count < 50; count++)
        assert.equal(
          picked(cluster.pick(undefined, new Set(['10.0.0.0:80', '10.0.0.1:80']), 0)).endpoint.key,
          '10.0.0.2:80',
        );
      const all = new Set(['10.0.0.0:80', '10.0.0.1:80', '10.0.0.2:80']);
      assert.notEqual(typeof cluster.pick(undefined, all, 0), 'string');
    }
  });
});
