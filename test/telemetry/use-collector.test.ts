/** What entries become: invariants as numbered in src/telemetry/use-collector.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type EntryInput, httpEntry, tcpEntry } from '../support/use-messages.ts';
import { UseStand, WALL } from './support.ts';

const CART = 'cart.shop:80';
const KEY = `web.shop ${CART}`;
const good: EntryInput = { cluster: CART, route: CART, authority: 'cart.shop', status: 200 };

/** requests and errors of web.shop -> cart.shop:80 after these entries. */
const counted = (entries: { http?: readonly object[]; tcp?: readonly object[] }): readonly number[] | undefined => {
  const stand = new UseStand();
  stand.speaker('web.shop', 'n1')(entries);
  const use = stand.take()[KEY];
  return use === undefined ? undefined : [use.requests, use.errors];
};
const ofHttp = (entry: EntryInput): readonly number[] | undefined => counted({ http: [httpEntry(entry)] });
const ofTcp = (entry: EntryInput): readonly number[] | undefined => counted({ tcp: [tcpEntry(entry)] });

describe('an edge', () => {
  test('U1: begins at the caller of the stream, with the time of the server', () => {
    const stand = new UseStand();
    stand.now = 1_234;
    stand.speaker('web.shop', 'n1')({ http: [httpEntry(good)] });
    assert.deepEqual(stand.take(), {
      [KEY]: { from: 'web.shop', to: CART, node: 'n1', requests: 1, errors: 0, lastMs: WALL + 1_234 },
    });
  });

  test('leads to the cluster without its subset, and to the virtual host where a route leads elsewhere', () => {
    const stand = new UseStand();
    const feed = stand.speaker('web.shop', 'n1');
    feed({ http: [httpEntry({ ...good, cluster: `${CART}/v2`, route: `${CART}/beta~2` })] });
    feed({ http: [httpEntry({ ...good, cluster: 'basket.shop:8080/v1', route: CART })] });
    const uses = stand.take();
    assert.deepEqual(Object.keys(uses).sort(), ['web.shop basket.shop:8080', KEY]);
    assert.deepEqual([uses[KEY]?.requests, uses['web.shop basket.shop:8080']?.requests], [2, 1]);
  });

  test('leads to the route name, else to the authority in lower case, when there was no cluster', () => {
    assert.deepEqual(ofHttp({ route: CART, authority: 'other.shop', status: 418 }), [1, 0]);
    assert.deepEqual(ofHttp({ authority: 'CART.shop', status: 404 }), [1, 0]);
    assert.deepEqual(ofHttp({ cluster: 'raw-cluster', authority: 'cart.shop', status: 200 }), [1, 0]);
  });

  test('U2: none to what the caller may not use; it is counted, but own clusters are not', () => {
    const stand = new UseStand();
    stand.denied.add(CART);
    const feed = stand.speaker('web.shop', 'n1');
    feed({ http: [httpEntry(good), httpEntry({ authority: 'www.example.com' }), httpEntry({})] });
    assert.deepEqual([stand.take(), stand.collector.counters.foreign], [{}, 3]);
    for (const cluster of ['inbound:80', 'xds', 'local']) feed({ http: [httpEntry({ cluster })] });
    assert.equal(stand.collector.counters.foreign, 3);
  });

  test('U2: rights are looked at anew in each period, and once in it', () => {
    const stand = new UseStand();
    const feed = stand.speaker('web.shop', 'n1');
    feed({ http: [httpEntry(good), httpEntry(good)] });
    feed({ http: [httpEntry(good)] });
    assert.equal(stand.lookups, 1);
    stand.take();
    stand.denied.add(CART);
    stand.collector.turn();
    feed({ http: [httpEntry(good)] });
    assert.deepEqual([stand.take(), stand.lookups], [{}, 3], 'the name, then the authority');
  });
});

describe('counting', () => {
  test('U3: what ends is counted, what goes on only renews', () => {
    assert.deepEqual(ofHttp(good), [1, 0]);
    for (const type of ['DownstreamPeriodic', 'DownstreamStart', 'DownstreamTunnelSuccessfullyEstablished'])
      assert.deepEqual(ofHttp({ ...good, type }), [0, 0], type);
    for (const type of ['TcpUpstreamConnected', 'TcpPeriodic'])
      assert.deepEqual(ofTcp({ cluster: CART, type }), [0, 0], type);
    assert.deepEqual(ofTcp({ cluster: CART }), [1, 0]);
    // An older Envoy, which names no type.
    const plain = httpEntry(good) as { commonProperties: Record<string, unknown> };
    plain.commonProperties.accessLogType = 'NotSet';
    assert.deepEqual(counted({ http: [plain] }), [1, 0]);
    plain.commonProperties.intermediateLogEntry = true;
    assert.deepEqual(counted({ http: [plain] }), [0, 0]);
  });

  test('attempts of a request count nothing: its own entry does', () => {
    for (const type of ['UpstreamPoolReady', 'UpstreamPeriodic', 'UpstreamEnd'])
      assert.equal(ofHttp({ ...good, type }), undefined, type);
  });

  test('errors: 5xx, codes of the server, or no answer and a failure of the callee; not what the client did', () => {
    const errors = (entry: EntryInput): number | undefined => ofHttp({ ...good, ...entry })?.[1];
    for (const [status, wanted] of [
      [200, 0],
      [404, 0],
      [429, 0],
      [500, 1],
      [503, 1],
    ] as const)
      assert.equal(errors({ status }), wanted, String(status));
    for (let code = 0; code <= 16; code++)
      assert.equal(errors({ grpcStatus: String(code) }), [2, 4, 8, 13, 14, 15].includes(code) ? 1 : 0, `gRPC ${code}`);
    const gone = { cluster: CART, route: CART };
    assert.equal(ofHttp({ ...gone, flags: ['upstreamConnectionFailure'] })?.[1], 1);
    assert.equal(ofHttp({ ...gone, flags: ['downstreamConnectionTermination'] })?.[1], 0);
    assert.equal(ofTcp({ cluster: CART, flags: ['upstreamConnectionFailure'] })?.[1], 1);
    assert.equal(ofTcp({ cluster: CART, flags: ['downstreamConnectionTermination'] })?.[1], 0);
    assert.equal(ofTcp({ cluster: CART, flags: ['upstreamConnectionFailure'], type: 'TcpPeriodic' })?.[1], 0);
  });

  test('a report names a node that the last one did not, where there are several', () => {
    const stand = new UseStand();
    const [one, two] = [stand.speaker('web.shop', 'n1'), stand.speaker('web.shop', 'n2')];
    const named: (string | undefined)[] = [];
    for (let round = 0; round < 3; round++) {
      one({ http: [httpEntry(good)] });
      two({ http: [httpEntry(good)] });
      named.push(stand.take()[KEY]?.node);
    }
    assert.equal(new Set(named).size, 2, named.join());
  });
});

describe('load reports', () => {
  const load = (cluster: string, [ok, failed, issued, open, dropped]: readonly number[]): object => ({
    clusterName: cluster,
    totalDroppedRequests: dropped,
    upstreamLocalityStats: [
      {
        totalSuccessfulRequests: ok,
        totalErrorRequests: failed,
        totalIssuedRequests: issued,
        totalRequestsInProgress: open,
      },
    ],
  });

  test('what has ended is counted, what is open renews, what did nothing is no use', () => {
    const stand = new UseStand();
    const feed = stand.loadSpeaker('web.shop', 'n1');
    feed([
      load(CART, [5, 2, 8, 1, 1]),
      load('open.shop:80', [0, 0, 0, 3, 0]),
      load('still.shop:80', [0, 0, 0, 0, 0]),
      load('nowhere', [1, 0, 1, 0, 0]),
    ]);
    const uses = stand.take();
    assert.deepEqual(Object.keys(uses).sort(), [KEY, 'web.shop open.shop:80']);
    assert.deepEqual([uses[KEY]?.requests, uses[KEY]?.errors], [8, 3]);
    assert.deepEqual([uses['web.shop open.shop:80']?.requests, stand.collector.counters.foreign], [0, 1]);
  });

  test('a node sends load while a stream that got its answer is open', () => {
    const stand = new UseStand();
    const { collector } = stand;
    assert.equal(collector.sendsLoad('n1'), false);
    const [one, two] = [stand.loads(), stand.loads()];
    one.onMessage(Buffer.alloc(0));
    assert.deepEqual([collector.sendsLoad('n1'), collector.counters.loadStreams], [false, 1], 'ended: no node');
    stand.loadSpeaker('web.shop', 'n1');
    assert.equal(collector.sendsLoad('n1'), true);
    two.close();
    assert.deepEqual([collector.sendsLoad('n1'), collector.counters.loadStreams], [true, 1]);
  });
});

describe('bounds', () => {
  test('U5: edges of a caller and of all; beyond, dropped and counted, the others unharmed', () => {
    const stand = new UseStand({ edgesPerCaller: 3, edges: 5 });
    const feed = (caller: string, count: number) =>
      stand.speaker(
        caller,
        caller,
      )({
        http: Array.from({ length: count }, (_, at) => httpEntry({ cluster: `s${at}.shop:80`, status: 200 })),
      });
    feed('a.shop', 4);
    assert.deepEqual([stand.collector.counters.edges, stand.collector.counters.edgesFull], [3, 1]);
    feed('b.shop', 3);
    assert.deepEqual([stand.collector.counters.edges, stand.collector.counters.edgesFull], [5, 2]);
    assert.equal(Object.keys(stand.take()).length, 5);
    stand.speaker('c.shop', 'c')({ http: [] });
    assert.deepEqual(
      ['a.shop', 'b.shop', 'c'].map((node) => stand.collector.hasLost(node)),
      [true, true, false],
    );
  });

  test('U5: a million hosts that nobody knows leave nothing behind', () => {
    const stand = new UseStand({ perNode: 1e9, inAll: 1e9 });
    const feed = stand.speaker('spy.shop', 'spy');
    for (let round = 0; round < 100; round++) {
      feed({ http: Array.from({ length: 100 }, (_, at) => httpEntry({ authority: `${round}-${at}.example.com` })) });
      if (round % 10 === 0) stand.collector.turn();
    }
    assert.deepEqual([stand.collector.counters.foreign, stand.collector.counters.edges, stand.take()], [10_000, 0, {}]);
    stand.speaker('web.shop', 'n1')({ http: [httpEntry(good)] });
    assert.equal(stand.take()[KEY]?.requests, 1);
  });

  test('U5: what is not used for long is forgotten, what is used is not', () => {
    const stand = new UseStand();
    const feed = stand.speaker('web.shop', 'n1');
    const use = (...names: readonly string[]) =>
      feed({ http: names.map((name) => httpEntry({ cluster: `${name}.shop:80`, status: 200 })) });
    use('a', 'b');
    for (let round = 0; round < 3; round++) {
      stand.now += 300_000;
      stand.collector.turn();
      use('a');
    }
    assert.equal(stand.collector.counters.edges, 1);
    stand.now += 600_000;
    stand.collector.turn();
    stand.now += 300_000;
    stand.collector.turn();
    assert.equal(stand.collector.counters.edges, 0);
  });
});

test('sums do not depend on how entries are cut into messages and reports', () => {
  const names = ['a', 'b', 'c'];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2), fc.constantFrom(200, 503), fc.boolean(), fc.boolean()), { maxLength: 60 }),
      (script) => {
        const stand = new UseStand();
        const feed = stand.speaker('web.shop', 'n1');
        const total = new Map<string, readonly [number, number]>();
        const collect = (): void => {
          for (const { to, requests, errors } of Object.values(stand.take())) {
            const [before, wrong] = total.get(to) ?? [0, 0];
            total.set(to, [before + requests, wrong + errors]);
          }
        };
        let gathered: object[] = [];
        const wanted = new Map<string, readonly [number, number]>();
        for (const [service, status, cut, lost] of script) {
          const cluster = `${names[service]}.shop:80`;
          gathered.push(httpEntry({ cluster, route: cluster, status }));
          const [before, wrong] = wanted.get(cluster) ?? [0, 0];
          wanted.set(cluster, [before + 1, wrong + (status === 503 ? 1 : 0)]);
          if (!cut) continue;
          feed({ http: gathered });
          gathered = [];
          if (lost && stand.collector.outbox.next() !== undefined) stand.collector.outbox.takeBack();
          else collect();
        }
        feed({ http: gathered });
        collect();
        assert.deepEqual(total, wanted);
      },
    ),
    { numRuns: 200 },
  );
});
