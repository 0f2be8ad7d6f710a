/** Outlier ejection: invariants E1 to E6 of `ejection.ts`, and that ejected endpoints get no calls. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { ICluster } from '../../../src/proto/index.ts';
import { Ejections, newEjectionRecord, statusOfOutcome } from '../../../src/sidecar-client/calls/ejection.ts';
import type { CallOutcome } from '../../../src/sidecar-client/calls/index.ts';
import { addresses, assignment, cluster as clusterBytes, coreOf, failed, NAME, ok, picked, tally } from './held.ts';

const RULES = {
  consecutive5xx: 3,
  consecutiveGateway: 2,
  intervalMs: 1_000,
  baseMs: 5_000,
  maxMs: 12_000,
  maxPercent: 70,
};
const inner: CallOutcome = { end: 'answered', status: 500 };
const OUTCOMES: readonly CallOutcome[] = [
  ok,
  inner,
  failed,
  { end: 'connect' },
  { end: 'reset' },
  { end: 'cancelled' },
  { end: 'timeout' },
  { end: 'answered', status: 200, grpcStatus: 14 },
];

/** Plain model of one endpoint: all results since it came in. */
interface Modelled {
  results: number[];
  outAt: number | undefined;
  factor: number;
}

const tail = (results: readonly number[], bad: (status: number) => boolean): number => {
  let count = 0;
  for (let at = results.length - 1; at >= 0 && bad(results[at] ?? 0); at--) count += 1;
  return count;
};

test('E1 to E6: any run of results and sweeps gives what the plain model gives', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ host: fc.nat(7), outcome: fc.constantFrom(...OUTCOMES) }) },
    { weight: 1, arbitrary: fc.record({ sweepAfter: fc.integer({ min: 0, max: 7_000 }) }) },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 100 }),
      fc.array(step, { maxLength: 120 }),
      (size, maxPercent, steps) => {
        const rules = { ...RULES, maxPercent };
        const records = Array.from({ length: size }, newEjectionRecord);
        const ejections = new Ejections();
        ejections.update(rules, new Set(records));
        const model: Modelled[] = records.map(() => ({ results: [], outAt: undefined, factor: 0 }));
        let now = 0;
        let swept: number | undefined;
        for (const each of steps) {
          if ('sweepAfter' in each) {
            now += each.sweepAfter;
            ejections.sweep(now);
            if (swept !== undefined && now - swept < rules.intervalMs) continue;
            swept = now;
            for (const host of model) {
              if (host.outAt === undefined) host.factor = Math.max(0, host.factor - 1);
              else if (now - host.outAt >= Math.min(rules.maxMs, rules.baseMs * host.factor)) {
                host.outAt = undefined;
                host.results = [];
              }
            }
          } else {
            const at = each.host % size;
            const [record, host] = [records[at], model[at]];
            if (record === undefined || host === undefined) continue;
            ejections.report(record, each.outcome, now);
            const status = statusOfOutcome(each.outcome);
            if (host.outAt === undefined && status !== undefined) {
              host.results.push(status);
              const bad =
                tail(host.results, (code) => code >= 500) >= 3 ||
                tail(host.results, (code) => code >= 502 && code <= 504) >= 2;
              const out = model.filter(({ outAt }) => outAt !== undefined).length + 1;
              if (bad && size > 1 && out * 100 <= maxPercent * size) {
                host.outAt = now;
                host.factor += 1;
              }
            }
          }
          assert.deepEqual(
            records.map(({ ejectedAtMs, factor }) => [ejectedAtMs, factor]),
            model.map(({ outAt, factor }) => [outAt, factor]),
          );
          const out = records.filter(({ ejectedAtMs }) => ejectedAtMs !== undefined).length;
          assert.equal(ejections.out, out);
          assert.ok(out * 100 <= maxPercent * size && (size > 1 || out === 0));
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('E2, E3: endpoints that leave let others in, down to the share that may be out', () => {
  const records = Array.from({ length: 4 }, newEjectionRecord);
  const ejections = new Ejections();
  ejections.update(RULES, new Set(records));
  for (const record of records) for (let count = 0; count < 2; count++) ejections.report(record, failed, 0);
  assert.equal(ejections.out, 2);
  ejections.update(RULES, new Set(records.slice(0, 2)));
  assert.equal(ejections.out, 1);
  ejections.update(RULES, new Set(records.slice(0, 1)));
  assert.equal(ejections.out, 0);
});

test('E4: a clock that jumps back keeps nothing out longer than its time from then on', () => {
  const records = Array.from({ length: 2 }, newEjectionRecord);
  const ejections = new Ejections();
  ejections.update(RULES, new Set(records));
  ejections.sweep(1_000_000);
  for (let count = 0; count < 2; count++) for (const record of records) ejections.report(record, failed, 1_000_000);
  assert.equal(ejections.out, 1);
  ejections.sweep(0);
  ejections.sweep(1_000);
  assert.equal(ejections.out, 1);
  for (let now = 2_000; now <= 6_000; now += 1_000) ejections.sweep(now);
  assert.equal(ejections.out, 0);
});

test('what ends of calls count as', () => {
  const table: readonly (readonly [CallOutcome, number | undefined])[] = [
    [{ end: 'answered', status: 404 }, 404],
    [{ end: 'answered', status: 200, grpcStatus: 0 }, 200],
    [{ end: 'answered', status: 200, grpcStatus: 5 }, 404],
    [{ end: 'answered', status: 200, grpcStatus: 13 }, 500],
    [{ end: 'answered', status: 200, grpcStatus: 14 }, 503],
    [{ end: 'answered', status: 200, grpcStatus: 99 }, 500],
    [{ end: 'connect' }, 503],
    [{ end: 'timeout' }, 504],
    [{ end: 'reset' }, 500],
    [{ end: 'refused' }, 500],
    [{ end: 'cancelled' }, undefined],
  ];
  for (const [outcome, status] of table) assert.equal(statusOfOutcome(outcome), status, JSON.stringify(outcome));
});

describe('in a cluster', () => {
  const outlier = (maxEjectionPercent = 70): ICluster => ({
    outlierDetection: {
      consecutive5xx: { value: 3 },
      enforcingConsecutive5xx: { value: 100 },
      interval: { seconds: 1 },
      baseEjectionTime: { seconds: 5 },
      maxEjectionTime: { seconds: 60 },
      maxEjectionPercent: { value: maxEjectionPercent },
    },
  });
  const fail = (upstream: ReturnType<typeof coreOf>['cluster'], address: string, now: number): void => {
    for (let count = 0; count < 300; count++) {
      const { endpoint, release } = picked(upstream.pick(undefined, undefined, now));
      release(endpoint.address === address ? failed : ok, now);
    }
  };
  const out = (upstream: ReturnType<typeof coreOf>['cluster']): string[] =>
    upstream
      .endpoints()
      .filter(({ ejected }) => ejected)
      .map(({ address }) => address);

  test('an ejected endpoint gets nothing until a sweep lets it in; listeners hear both', () => {
    const { cluster, core } = coreOf(addresses(3), outlier());
    let changes = 0;
    cluster.onChange(() => (changes += 1));
    core.sweep(0);
    fail(cluster, '10.0.0.1', 100);
    assert.deepEqual([out(cluster), changes, cluster.stats().ejected], [['10.0.0.1'], 1, 1]);
    assert.ok(!tally(cluster, 200).has('10.0.0.1'));
    core.sweep(5_000);
    assert.deepEqual(out(cluster), ['10.0.0.1']);
    core.sweep(6_000);
    assert.deepEqual([out(cluster), changes], [[], 2]);
    assert.ok(tally(cluster, 200).has('10.0.0.1'));
  });

  test('it stays out when endpoints or settings change, and calls that run keep their place', () => {
    const { cluster, core, held } = coreOf(addresses(3), outlier());
    fail(cluster, '10.0.0.1', 0);
    const running = picked(cluster.pick(undefined, undefined, 0));
    held.put('assignment', NAME, assignment(addresses(4)));
    held.put('cluster', NAME, clusterBytes({ ...outlier(), connectTimeout: { seconds: 7 } }));
    assert.equal(core.cluster(NAME), cluster);
    assert.deepEqual([out(cluster), cluster.connectTimeoutMs, cluster.stats().active], [['10.0.0.1'], 7_000, 1]);
    running.release(ok, 0);
    running.release(ok, 0);
    assert.equal(cluster.stats().active, 0);
    held.put('cluster', NAME, clusterBytes({}));
    assert.deepEqual(out(cluster), []);
  });

  test('bytes that are the same change nothing', () => {
    const { cluster, held } = coreOf(addresses(3), outlier());
    let changes = 0;
    cluster.onChange(() => (changes += 1));
    held.put('cluster', NAME, clusterBytes(outlier()));
    held.put('assignment', NAME, assignment(addresses(3)));
    assert.equal(changes, 0);
  });

  // policies.md section 13, "outlier, endpoints good/bad": what a real Envoy 1.40 did.
  for (const [percent, good, bad, ejected] of [
    [10, 1, 1, 0],
    [10, 1, 2, 0],
    [10, 2, 2, 0],
    [50, 1, 1, 1],
    [50, 2, 2, 2],
    [50, 1, 2, 1],
    [70, 1, 1, 1],
    [70, 1, 2, 2],
    [70, 2, 2, 2],
    [70, 1, 3, 2],
    [70, 0, 1, 0],
  ] as const)
    test(`as in Envoy: max ${percent} %, ${good} good and ${bad} bad: ${ejected} out`, () => {
      const { cluster } = coreOf(addresses(good + bad), outlier(percent));
      for (let count = 0; count < 400; count++) {
        const { endpoint, release } = picked(cluster.pick(undefined, undefined, 0));
        release(Number(endpoint.address.split('.')[3]) < bad ? failed : ok, 0);
      }
      assert.equal(out(cluster).length, ejected);
    });

  test('all calls fail: never more out than maxPercent, so calls are still picked', () => {
    const { cluster } = coreOf(addresses(10), outlier(70));
    for (let count = 0; count < 500; count++) picked(cluster.pick(undefined, undefined, 0)).release(failed, 0);
    assert.equal(out(cluster).length, 7);
  });
});
