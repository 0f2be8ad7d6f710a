/** Above the budget: invariants as numbered in src/telemetry/budget.ts, and U4 of the collector. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../../src/telemetry/budget.ts';
import { Random } from '../delta-xds/support/random.ts';
import { httpEntry, logsMessage } from '../support/use-messages.ts';
import { UseStand, WALL } from './support.ts';

const CART = 'cart.shop:80';
const entry = (cluster: string, status = 200): object => httpEntry({ cluster, route: cluster, status });

test('B1, B2: weights and what is pending add up; no more are taken than burst and rate allow', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(400), fc.nat(2_000)), { maxLength: 60 }),
      fc.integer({ min: 1, max: 50 }),
      fc.nat(),
      (script, perNode, seed) => {
        const limits = { perNode, inAll: 3 * perNode };
        const random = new Random(seed);
        const budget = new Budget(limits, 0, () => random.next());
        const nodes = [0, 1, 2, 3].map(() => budget.node(0));
        const came = [0, 0, 0, 0];
        const weights = [0, 0, 0, 0];
        let taken = 0;
        let now = 0;
        for (const [index, count, wait] of script) {
          now += wait;
          const node = nodes[index];
          assert.ok(node !== undefined);
          const every = budget.plan(node, count, now);
          for (let at = 0; at < count; at++) {
            const weight = budget.next(node, every);
            weights[index] = (weights[index] ?? 0) + weight;
            if (weight > 0) taken++;
          }
          came[index] = (came[index] ?? 0) + count;
          const ahead = node.group > 0 && node.mark === 0 ? node.group : 0;
          assert.equal((weights[index] ?? 0) - ahead + node.pending, came[index]);
          assert.ok(taken <= limits.inAll + (now * limits.inAll) / 1_000, `${taken} taken in ${now} ms`);
        }
      },
    ),
    // A group that had begun was charged when its entry came, and by then another node had used up what was left.
    {
      examples: [
        [
          [
            [1, 21, 0],
            [0, 1, 0],
            [1, 2, 0],
          ] as [number, number, number][],
          2,
          0,
        ],
      ],
    },
  );
});

describe('a flood', () => {
  test('1,000,000 entries of one node in ten seconds: rates stay right, all others are taken whole', () => {
    const stand = new UseStand();
    const flood = stand.logs('flood');
    const names = ['a', 'b', 'c', 'd'].map((name) => `${name}.shop:80`);
    // a: 70 %, b: 20 %, c and d: 5 % each, d fails.
    const shares = [14, 4, 1, 1];
    const mixed = Array.from({ length: 50 }, () =>
      names.flatMap((name, at) => Array.from({ length: shares[at] ?? 0 }, () => entry(name, at === 3 ? 503 : 200))),
    ).flat();
    assert.equal(mixed.length, 1_000);
    const message = logsMessage({ node: { id: 'flood', cluster: 'web.shop' }, http: mixed });
    const others = Array.from({ length: 20 }, (_, at) => stand.speaker(`quiet-${at}.shop`, `quiet-${at}`));
    for (let turn = 0; turn < 1_000; turn++) {
      stand.now += 10;
      flood.onMessage(message);
      const quiet = others[turn % others.length];
      if (turn % 10 === 0) quiet?.({ http: [entry(CART)] });
    }
    const { counters } = stand.collector;
    assert.equal(counters.entries, 1_000_100);
    assert.ok(counters.sampledOut > 980_000 && counters.sampledOut < 990_000, `${counters.sampledOut} left out`);
    const uses = stand.take();
    const total = names.reduce((sum, name) => sum + (uses[`web.shop ${name}`]?.requests ?? 0), 0);
    assert.ok(total > 950_000 && total <= 1_000_000, `${total} counted`);
    for (const [at, share] of shares.entries()) {
      const found = (uses[`web.shop ${names[at]}`]?.requests ?? 0) / total;
      assert.ok(Math.abs(found - share / 20) < 0.05, `${names[at]} has ${found} of the requests, not ${share / 20}`);
    }
    assert.equal(uses[`web.shop ${names[3]}`]?.errors, uses[`web.shop ${names[3]}`]?.requests);
    // B3: ten seconds, 100 entries of twenty quiet nodes.
    const quiet = Object.values(uses).filter(({ from }) => from.startsWith('quiet-'));
    assert.equal(
      quiet.reduce((sum, { requests }) => sum + requests, 0),
      100,
    );
  });

  test('the log says so, once a minute at most, with the node and how many were left out', () => {
    const stand = new UseStand({ perNode: 1 });
    const feed = stand.speaker('web.shop', 'loud');
    const many = Array.from({ length: 100 }, () => entry(CART));
    for (let second = 0; second < 130; second++) {
      stand.now += 1_000;
      feed({ http: many });
    }
    assert.equal(stand.warnings.length, 3);
    assert.equal(stand.warnings[0]?.node, 'loud');
    const said = stand.warnings.reduce((sum, { leftOut }) => sum + Number(leftOut), 0);
    assert.ok(said > 10_000 && said <= stand.collector.counters.sampledOut, `${said} said`);
  });

  test('U4: a first use is taken though its entry is left out', () => {
    const stand = new UseStand({ perNode: 10 });
    const feed = stand.speaker('web.shop', 'loud');
    feed({ http: Array.from({ length: 500 }, () => entry(CART)) });
    stand.take();
    const rare = ['x.shop:80', 'y.shop:80'];
    feed({ http: [...Array.from({ length: 99 }, () => entry(CART)), ...rare.map((name) => entry(name))] });
    const uses = stand.take();
    for (const name of rare) assert.equal(uses[`web.shop ${name}`]?.requests, 1, name);
  });

  test('beyond what may be looked at, first uses are lost as well: bounded work', () => {
    const stand = new UseStand({ perNode: 10, inAll: 100 });
    const feed = stand.speaker('web.shop', 'loud');
    feed({ http: Array.from({ length: 5_000 }, (_, at) => entry(`s${at}.shop:80`)) });
    const found = Object.keys(stand.take()).length;
    assert.ok(found >= 50 && found <= 200, `${found} edges`);
  });

  test('U4: what is left out still renews its edge; what is dropped unread makes the silence of its node mean nothing', () => {
    const stand = new UseStand({ perNode: 10 });
    const feed = stand.speaker('web.shop', 'loud');
    const others = Array.from({ length: 500 }, () => entry('other.shop:80'));
    feed({ http: [entry(CART), ...others] });
    stand.take();
    stand.now += 1_000;
    feed({ http: [entry(CART), ...others] });
    assert.equal(stand.take()[`web.shop ${CART}`]?.lastMs, WALL + 1_000);
    assert.equal(stand.collector.hasLost('loud'), false);

    const blind = new UseStand({ perNode: 10, inAll: 20 });
    const speak = blind.speaker('web.shop', 'loud');
    blind.speaker('web.shop', 'quiet')({ http: [] });
    speak({ http: others });
    assert.deepEqual([blind.collector.hasLost('loud'), blind.collector.hasLost('quiet')], [true, false]);
    blind.now += 599_999;
    assert.equal(blind.collector.hasLost('loud'), true);
    blind.now += 1;
    assert.equal(blind.collector.hasLost('loud'), false);
  });

  test('load reports above the budget are left out whole, and counted', () => {
    const stand = new UseStand({ perNode: 10 });
    const feed = stand.loadSpeaker('web.shop', 'loud');
    const clusters = Array.from({ length: 100 }, () => ({
      clusterName: CART,
      upstreamLocalityStats: [{ totalSuccessfulRequests: 1, totalIssuedRequests: 1 }],
    }));
    feed(clusters);
    feed(clusters);
    assert.equal(stand.take()[`web.shop ${CART}`]?.requests, 100);
    assert.deepEqual([stand.collector.counters.loadReports, stand.collector.counters.loadLeftOut], [2, 1]);
    assert.equal(stand.collector.hasLost('loud'), true);
  });
});
