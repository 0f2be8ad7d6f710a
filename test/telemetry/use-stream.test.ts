/** Who may report what: invariants as numbered in src/telemetry/use-stream.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ConnectionCallers } from '../../src/telemetry/index.ts';
import { httpEntry, loadMessage, logsMessage } from '../support/use-messages.ts';
import { endOf, UseStand } from './support.ts';

const CART = 'cart.shop:80';
const http = [httpEntry({ cluster: CART, route: CART, status: 200 })];

describe('a stream of access logs', () => {
  test('S1: the first message says who speaks; later identifiers change nothing', () => {
    const stand = new UseStand();
    const stream = stand.logs();
    stream.onMessage(logsMessage({ node: { id: 'n1', cluster: 'web.shop' }, http }));
    stream.onMessage(logsMessage({ node: { id: 'n2', cluster: 'bank.shop' }, http }));
    const uses = stand.take();
    assert.deepEqual(Object.keys(uses), [`web.shop ${CART}`]);
    assert.deepEqual([uses[`web.shop ${CART}`]?.node, uses[`web.shop ${CART}`]?.requests], ['n1', 2]);
  });

  test('S1: without a node, without an id, without a service: ended, counted, nothing taken', () => {
    const stand = new UseStand();
    for (const node of [undefined, { id: '', cluster: 'web.shop' }, { id: 'n1' }]) {
      const stream = stand.logs();
      const answer = stream.onMessage(logsMessage({ ...(node === undefined ? {} : { node }), http }));
      assert.equal(endOf(answer), 3, JSON.stringify(node));
      assert.deepEqual(stream.onMessage(logsMessage({ node: { id: 'n1', cluster: 'web.shop' }, http })), {});
    }
    const { refused, streams } = stand.collector.counters;
    assert.deepEqual([refused, streams, stand.take()], [3, 0, {}]);
  });

  test('S2: on a connection of another caller it is ended, also when that one comes later', () => {
    const stand = new UseStand();
    stand.callers.joined('p1', 'web.shop');
    const liar = stand.logs('p1');
    const answer = liar.onMessage(logsMessage({ node: { id: 'n1', cluster: 'bank.shop' }, http }));
    assert.equal(endOf(answer), 7);
    assert.match(answer.end?.message ?? '', /belongs to web\.shop; bank\.shop may not report/);
    const honest = stand.logs('p1');
    assert.deepEqual(honest.onMessage(logsMessage({ node: { id: 'n1', cluster: 'web.shop' }, http })), {});
    assert.deepEqual(honest.recheck(), {});
    const early = stand.logs('p2');
    assert.deepEqual(early.onMessage(logsMessage({ node: { id: 'n3', cluster: 'bank.shop' }, http: [] })), {});
    stand.callers.joined('p2', 'web.shop');
    assert.equal(endOf(early.recheck()), 7);
    early.onMessage(logsMessage({ http }));
    assert.deepEqual(Object.keys(stand.take()), [`web.shop ${CART}`]);
    assert.equal(stand.collector.counters.refused, 2);
    assert.deepEqual([stand.collector.hasLost('n1'), stand.collector.hasLost('n4')], [true, false]);
  });

  test('S3: whatever it sends it goes on or ends, is counted once, and leaves nothing open', () => {
    const bad = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.nat().map((at) => {
        const bytes = logsMessage({ node: { id: 'n1', cluster: 'web.shop' }, http });
        bytes[at % bytes.length] = 0xff;
        return bytes;
      }),
    );
    let ended = 0;
    fc.assert(
      fc.property(fc.array(bad, { minLength: 1, maxLength: 5 }), fc.boolean(), (messages, loads) => {
        const stand = new UseStand();
        const stream = loads ? stand.loads() : stand.logs();
        const ends = messages.map((message) => stream.onMessage(message)).filter(({ end }) => end !== undefined);
        assert.ok(ends.length <= 1);
        ended += ends.length;
        const { malformed, refused } = stand.collector.counters;
        assert.equal(malformed + refused, ends.length);
        stream.close();
        assert.deepEqual([stand.collector.counters.streams, stand.collector.counters.loadStreams], [0, 0]);
        assert.equal(stand.collector.sendsLoad('n1'), false);
      }),
      { numRuns: 1_000 },
    );
    assert.ok(ended > 100, `only ${ended} streams ended`);
  });

  test('other logs on the same cluster are not counted as use', () => {
    const stand = new UseStand();
    stand.logs().onMessage(logsMessage({ node: { id: 'n1', cluster: 'web.shop' }, logName: 'audit', http }));
    assert.deepEqual([stand.take(), stand.collector.counters.otherLogs], [{}, 1]);
  });
});

test('a stream of load reports: the same rules, and an answer to the first message alone', () => {
  const stand = new UseStand();
  stand.callers.joined('p1', 'web.shop');
  const node = (cluster: string): Buffer => loadMessage({ node: { id: 'n1', cluster } });
  assert.equal(endOf(stand.loads('p1').onMessage(node('bank.shop'))), 7);
  const stream = stand.loads('p1');
  assert.ok(stream.onMessage(node('web.shop')).reply !== undefined);
  assert.deepEqual(stream.onMessage(node('bank.shop')), {});
  stand.callers.joined('p1', 'bank.shop');
  assert.equal(endOf(stream.recheck()), 7);
  assert.equal(stand.collector.sendsLoad('n1'), false);
});

test('connections: whoever has a stream there, until its last one ends', () => {
  const callers = new ConnectionCallers();
  assert.equal(callers.otherThan('p', 'a.x'), undefined);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a.x', 'b.x', 'c.x'), fc.boolean()), { maxLength: 40 }), (script) => {
      const tested = new ConnectionCallers();
      const open: string[] = [];
      for (const [caller, joins] of script) {
        if (joins) {
          open.push(caller);
          tested.joined('p', caller);
        } else if (open.includes(caller)) {
          open.splice(open.indexOf(caller), 1);
          tested.left('p', caller);
        }
        for (const one of ['a.x', 'b.x', 'c.x']) {
          const other = tested.otherThan('p', one);
          assert.equal(
            other !== undefined,
            open.some((each) => each !== one),
            `${one} of ${open.join()}`,
          );
          if (other !== undefined) assert.ok(open.includes(other) && other !== one);
        }
      }
    }),
  );
});
