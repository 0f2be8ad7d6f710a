/** H10 (connection.ts): whatever makes the server work for nothing has a bound; beyond it the connection ends, ENHANCE_YOUR_CALM. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, type Stand } from '../../contracts/transport-stand.ts';
import { data, frame, reset, SETTINGS, settings } from '../../support/h2-frames.ts';
import { Stand as FakeStand } from './fake-wire.ts';
import { block, CODE, call, FLAG, open, ping, type RawClient, rawClient, startH2, TYPE } from './raw-client.ts';

/** More than what passes in a second; those of several seconds, should this machine be slow. */
const MANY = 25_000;
const NOTHING = Buffer.alloc(0);
const times = (count: number, one: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => one));
const piece = (bytes: number): Buffer => frame(TYPE.continuation, 0, 1, Buffer.alloc(bytes));

/** A request with 62 KB of headers, in four frames. */
const largeBlock = (stream: number): Buffer => {
  const more = Buffer.alloc(15_500, Buffer.of(0x40, 0, 0));
  return Buffer.concat([
    frame(TYPE.headers, 0, stream, block(stream)),
    ...[0, 0, 0, FLAG.endHeaders].map((flags) => frame(TYPE.continuation, flags, stream, more.subarray(0, 15_498))),
  ]);
};
/** One whose 1,200 bytes count as more than 32 KB of headers, and that ends. */
const manyHeaders = (stream: number): Buffer =>
  frame(
    TYPE.headers,
    FLAG.endHeaders | FLAG.endStream,
    stream,
    Buffer.concat([block(stream), Buffer.alloc(1_100, 0x90)]),
  );

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
  ['settings that move windows', Buffer.concat(Array.from({ length: 800 }, (_, at) => settings({ 4: at }))), 'floods'],
  ['large blocks of headers', Buffer.concat(Array.from({ length: 80 }, (_, at) => largeBlock(2 * at + 1))), 'floods'],
  [
    'headers that are too many, in small blocks',
    Buffer.concat(Array.from({ length: 800 }, (_, at) => manyHeaders(2 * at + 1))),
    'protocolErrors',
  ],
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
      // Of headers that are too large each is counted as well.
      const { headersRefused } = it.counters;
      assert.deepEqual({ ...it.counters }, { ...before, headersRefused, [counter]: before[counter] + 1 });
      await eventually('its streams are closed', () => it.open() === 1);
      assert.ok(it.seen.every(({ closed }) => closed <= 1));
    });

  test('answers that the client does not take', () => {
    const stand = new FakeStand();
    stand.flush();
    assert.equal(stand.wire.inFlight, 1);
    // Nothing is taken: fewer pings than pass in a second, 17 bytes each.
    for (let at = 0; at < 3; at++) stand.receive(times(1_000, ping));
    assert.deepEqual([stand.connection.over, stand.counters.floods], [false, 0]);
    stand.receive(times(1_000, ping));
    assert.deepEqual([stand.connection.over, stand.counters.floods], [true, 1]);
  });
});
