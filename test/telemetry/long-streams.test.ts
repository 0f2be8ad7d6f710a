/** Streams that stay open: what the collector knows of their age. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { httpEntry, tcpEntry } from '../support/use-messages.ts';
import { UseStand, WALL } from './support.ts';

const CART = 'cart.shop:80';
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A stand that has listened for long enough to know what is open, and a periodic entry of a stream begun so long ago. */
const settled = () => {
  const stand = new UseStand();
  stand.now = 10 * MINUTE;
  const feed = stand.speaker('web.shop', 'n1');
  const periodic = (streamId: string, age: number): object =>
    httpEntry({ cluster: CART, type: 'DownstreamPeriodic', streamId, startedMs: WALL + stand.now - age });
  return { stand, feed, periodic, longest: () => stand.collector.longestStreamMs('n1') };
};

describe('the longest stream of a node', () => {
  test('is none without periodic entries, and its age by its own start, also just after a reconnect', () => {
    const { feed, longest, periodic, stand } = settled();
    assert.equal(longest(), 0);
    feed({ http: [httpEntry({ cluster: CART, status: 200 })] });
    assert.equal(longest(), 0);
    feed({ http: [periodic('a', 31 * SECOND), periodic('b', 50 * MINUTE)] });
    assert.equal(longest(), 50 * MINUTE);
    stand.now += 20 * SECOND;
    assert.equal(longest(), 50 * MINUTE + 20 * SECOND);
    feed({
      tcp: [tcpEntry({ cluster: CART, type: 'TcpPeriodic', streamId: 'c', startedMs: WALL - 3 * 24 * 60 * MINUTE })],
    });
    assert.ok(longest() > 3 * 24 * 60 * MINUTE);
  });

  test('a clock that runs ahead makes no stream younger than a period', () => {
    const { feed, longest, periodic } = settled();
    feed({ http: [periodic('a', -5 * MINUTE)] });
    assert.equal(longest(), 30 * SECOND);
  });

  test('is forgotten three periods after its last entry, not at an end that may be another one of its id', () => {
    const { feed, longest, periodic, stand } = settled();
    feed({ http: [periodic('a', 5 * MINUTE)] });
    feed({ http: [httpEntry({ cluster: CART, status: 200, streamId: 'a' })] });
    assert.equal(longest(), 5 * MINUTE);
    stand.now += 90 * SECOND;
    assert.ok(longest() > 5 * MINUTE);
    stand.now += 1;
    assert.equal(longest(), 0);
  });

  test('outlives the stream of access logs for as long', () => {
    const { stand } = settled();
    const stream = stand.logs('other');
    const node = stand.collector.open('n2');
    node.long.note('a', 5 * MINUTE, stand.now);
    stand.collector.close(node);
    stream.close();
    stand.collector.turn();
    assert.equal(stand.collector.longestStreamMs('n2'), 5 * MINUTE);
    stand.now += 2 * MINUTE;
    stand.collector.turn();
    assert.equal(stand.collector.longestStreamMs('n2'), 0);
  });

  test('is not known of more than 1,000 at a time, after entries were left out, and in the first 90 s', () => {
    const { feed, longest, periodic, stand } = settled();
    for (let at = 0; at < 1_000; at += 100)
      feed({ http: Array.from({ length: 100 }, (_, index) => periodic(`s${at + index}`, MINUTE)) });
    assert.equal(longest(), MINUTE);
    feed({ http: [periodic('one more', MINUTE)] });
    assert.equal(longest(), Number.POSITIVE_INFINITY);
    stand.now += 91 * SECOND;
    assert.equal(longest(), 0);

    const loud = new UseStand({ perNode: 1, inAll: 5 });
    loud.now = 10 * MINUTE;
    const speak = loud.speaker('web.shop', 'n1');
    speak({ http: Array.from({ length: 50 }, () => httpEntry({ cluster: CART, status: 200 })) });
    assert.equal(loud.collector.longestStreamMs('n1'), Number.POSITIVE_INFINITY);

    const fresh = new UseStand();
    assert.equal(fresh.collector.longestStreamMs('n1'), Number.POSITIVE_INFINITY);
    fresh.now += 90 * SECOND;
    assert.equal(fresh.collector.longestStreamMs('n1'), 0);
  });
});
