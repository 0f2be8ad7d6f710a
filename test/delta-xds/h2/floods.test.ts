/** H10 (connection.ts): whatever makes the server work for nothing has a bound; beyond it the connection ends, ENHANCE_YOUR_CALM. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, type Stand } from '../../contracts/transport-stand.ts';
import { data, frame, headers, reset, SETTINGS } from '../../support/h2-frames.ts';
import { block, CODE, call, FLAG, open, ping, type RawClient, rawClient, startH2, TYPE } from './raw-client.ts';

/** More than what passes in a second; those of several seconds, should this machine be slow. */
const MANY = 25_000;
const NOTHING = Buffer.alloc(0);
const times = (count: number, one: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => one));
const piece = (bytes: number): Buffer => frame(TYPE.continuation, 0, 1, Buffer.alloc(bytes));

type Counter = 'floods' | 'protocolErrors';
const FLOODS: readonly (readonly [what: string, sent: Buffer, counter: Counter])[] = [
  ['pings', times(MANY, ping), 'floods'],
  ['settings', times(MANY, SETTINGS), 'floods'],
  ['acknowledgements of settings', times(MANY, frame(TYPE.settings, FLAG.ack, 0, NOTHING)), 'floods'],
  ['empty DATA', Buffer.concat([call(1), times(MANY, data(1, NOTHING))]), 'floods'],
  [
    'DATA of padding only',
    Buffer.concat([call(1), times(MANY, frame(TYPE.data, FLAG.padded, 1, Buffer.of(0)))]),
    'floods',
  ],
  ['DATA on a stream that has ended', Buffer.concat([call(1), reset(1), times(MANY, data(1, Buffer.of(0)))]), 'floods'],
  ['priorities', times(MANY, frame(TYPE.priority, 0, 1, Buffer.alloc(5))), 'floods'],
  ['frames of an unknown type', times(MANY, frame(99, 0, 0, NOTHING)), 'floods'],
  ['resets of one stream', Buffer.concat([open(1), times(MANY, reset(1))]), 'floods'],
  ['GOAWAY', Buffer.concat([call(1), times(MANY, frame(TYPE.goAway, 0, 0, Buffer.alloc(8)))]), 'floods'],
  [
    'CONTINUATION without content',
    Buffer.concat([frame(TYPE.headers, 0, 1, block(1)), times(200, piece(0))]),
    'protocolErrors',
  ],
  [
    'CONTINUATION without end',
    Buffer.concat([frame(TYPE.headers, 0, 1, block(1)), times(20, piece(16_384))]),
    'protocolErrors',
  ],
  [
    'streams opened and reset',
    Buffer.concat(Array.from({ length: 4_000 }, (_, at) => Buffer.concat([open(2 * at + 1), reset(2 * at + 1)]))),
    'floods',
  ],
  [
    'streams above the number that may be open',
    Buffer.concat(Array.from({ length: 2_000 }, (_, at) => open(2 * at + 1))),
    'protocolErrors',
  ],
  [
    'malformed requests',
    Buffer.concat(
      Array.from({ length: 2_000 }, (_, at) => frame(TYPE.headers, FLAG.endHeaders, 2 * at + 1, Buffer.of(0x82))),
    ),
    'protocolErrors',
  ],
];

describe('floods', () => {
  let it: Stand;
  let good: RawClient;
  before(async () => {
    it = await startH2({ limits: { streamsPerConnection: 20 } });
    good = await rawClient(it.port);
    good.send(call(1));
    await good.sees(TYPE.data, 1);
  });
  after(async () => {
    await good.answers();
    assert.equal(it.open(), 1);
    good.destroy();
    await it.close();
  });

  for (const [what, sent, counter] of FLOODS)
    test(what, { timeout: 20_000 }, async () => {
      const before = { ...it.counters };
      const bad = await rawClient(it.port);
      bad.send(sent);
      assert.equal(await bad.closedWith(), CODE.calm);
      assert.deepEqual({ ...it.counters }, { ...before, [counter]: before[counter] + 1 });
      await eventually('its streams are closed', () => it.open() === 1);
      assert.ok(it.seen.every(({ closed }) => closed <= 1));
    });

  test('answers that the client does not take', { timeout: 20_000 }, async () => {
    const lax = await startH2({ limits: { streamsPerSecond: 1_000_000, streamsPerConnection: 20 } });
    const bad = await rawClient(lax.port);
    bad.pause();
    const unknown = `/${'x'.repeat(120)}`;
    const refused = (at: number): Buffer => headers(2 * at + 1, unknown).fill(FLAG.endHeaders | FLAG.endStream, 4, 5);
    /** Their answers are some 20 MB: more than the system keeps for a socket. */
    let left = 40;
    await eventually('the connection is dropped', () => {
      if (lax.counters.floods > 0) return true;
      const from = 2_000 * (40 - left--);
      if (left >= 0) bad.send(Buffer.concat(Array.from({ length: 2_000 }, (_, at) => refused(from + at))));
      return false;
    });
    assert.equal(lax.counters.floods, 1);
    bad.destroy();
    await lax.close();
  });
});
