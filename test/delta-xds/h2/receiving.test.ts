/** What one connection hears, without sockets: messages in pieces, reading that stops, half-close (call.ts, message-reader.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNFINISHED_BYTES } from '../../../src/delta-xds/h2/call.ts';
import { data, frame, settings } from '../../support/h2-frames.ts';
import { MESSAGE_MS, Stand } from './fake-wire.ts';
import { FLAG, grpc, open, TYPE } from './raw-client.ts';

const texts = (stand: Stand, at = 0): string[] => stand.call(at).messages.map(String);
const credits = (stand: Stand, stream: number): number =>
  stand.wire.frames
    .filter((one) => one.type === TYPE.window && one.stream === stream)
    .reduce((all, { payload }) => all + payload.readUInt32BE(0), 0);

const MESSAGES = ['first', '', 'a longer one', '!'];
const BYTES = Buffer.concat(MESSAGES.map(grpc));

test('H4: messages are the same wherever DATA is cut, and wherever the bytes of the connection are', () => {
  for (let cut = 0; cut <= BYTES.length; cut++) {
    const stand = new Stand();
    stand.receive(open(1), data(1, BYTES.subarray(0, cut)), data(1, BYTES.subarray(cut), true));
    assert.deepEqual([texts(stand), stand.call(0).halfCloses], [MESSAGES, 1], `DATA cut at ${cut}`);
  }
  const bytes = Buffer.concat([open(1), data(1, BYTES.subarray(0, 9)), data(1, BYTES.subarray(9), true)]);
  for (let cut = 1; cut < bytes.length; cut++) {
    const stand = new Stand();
    stand.receive(bytes.subarray(0, cut));
    stand.receive(bytes.subarray(cut));
    assert.deepEqual([texts(stand), stand.call(0).halfCloses], [MESSAGES, 1], `bytes cut at ${cut}`);
  }
  const slow = new Stand();
  for (const byte of bytes) slow.receive(Buffer.of(byte));
  assert.deepEqual([texts(slow), slow.call(0).halfCloses], [MESSAGES, 1]);
});

test('a message that was given out stays what it was while later ones come in pieces', () => {
  const kept: Buffer[] = [];
  const stand = new Stand({ onMessage: (_seen, message) => kept.push(message) });
  stand.receive(open(1));
  const all = Array.from({ length: 50 }, (_, at) => Buffer.alloc(900, at + 1));
  const bytes = Buffer.concat(all.map(grpc));
  for (let at = 0; at < bytes.length; at += 700) stand.receive(data(1, bytes.subarray(at, at + 700)));
  assert.deepEqual(kept, all);
});

test('H4, H3: while reading is off nothing is told and the stream gets no credit, the connection does; then all of it, in order', () => {
  const stand = new Stand();
  stand.receive(open(1), open(3));
  const { stream } = stand.call(0);
  stream.read(false);
  const message = Buffer.alloc(10_000, 'm');
  for (let at = 0; at < 6; at++) stand.receive(data(1, grpc(message)));
  stand.receive(data(3, grpc('other')));
  stand.drain();
  assert.deepEqual([texts(stand), texts(stand, 1)], [[], ['other']]);
  assert.deepEqual([credits(stand, 1), credits(stand, 0) > 0], [0, true]);
  stream.read(true);
  stand.drain();
  assert.deepEqual(stand.call(0).messages, Array(6).fill(message));
  assert.equal(credits(stand, 1), 6 * 10_005);
  stream.read(false);
  // More than the window: only this stream is lost.
  for (let at = 0; at < 7; at++) stand.receive(data(1, grpc(message)));
  stand.drain();
  assert.deepEqual([stand.call(0).closes, stand.call(1).closes, stand.connection.over], [1, 0, false]);
  assert.equal(stand.call(0).messages.length, 6);
});

test('H4: reading that stops inside a message that is told stops before the next one of the same frame', () => {
  const stand = new Stand({ onMessage: ({ stream }) => stream.read(false) });
  stand.receive(open(1), data(1, BYTES, true));
  for (let told = 1; told < MESSAGES.length; told++) {
    assert.deepEqual([texts(stand), stand.call(0).halfCloses], [MESSAGES.slice(0, told), 0]);
    stand.call(0).stream.read(true);
  }
  assert.deepEqual(
    [texts(stand), stand.call(0).halfCloses],
    [MESSAGES, 0],
    'the end is not told while nothing is read',
  );
  stand.call(0).stream.read(true);
  assert.equal(stand.call(0).halfCloses, 1);
  stand.call(0).stream.read(true);
  assert.equal(stand.call(0).halfCloses, 1, 'once');
});

test('H4: reading that stops and goes on inside a message that is told keeps the order', () => {
  const stand = new Stand({
    onMessage: ({ stream }) => {
      stream.read(false);
      stream.read(true);
    },
  });
  stand.receive(open(1), data(1, BYTES, true));
  assert.deepEqual([texts(stand), stand.call(0).halfCloses], [MESSAGES, 1]);
});

test('H1, H5: a half-close while nothing is read waits; a stream that ends in the meantime never tells it', () => {
  const stand = new Stand();
  stand.receive(open(1), open(3), data(1, grpc('one')));
  const { stream } = stand.call(0);
  stream.read(false);
  stand.receive(data(1, grpc('two'), true), data(3, grpc('three')));
  assert.deepEqual([texts(stand), stand.call(0).halfCloses], [['one'], 0]);
  stand.call(1).stream.read(false);
  stand.receive(data(3, Buffer.alloc(0), true));
  stand.call(1).stream.end(0, '');
  stand.drain();
  stand.call(1).stream.read(true);
  stream.read(true);
  assert.deepEqual([texts(stand), stand.call(0).halfCloses], [['one', 'two'], 1]);
  const { halfCloses, closes } = stand.call(1);
  assert.deepEqual([halfCloses, closes], [0, 1]);
});

test('H2: what comes after our end is thrown away; a whole answer to a client that has ended closes the stream', () => {
  const stand = new Stand({ onMessage: ({ stream }) => stream.end(5, 'enough') });
  stand.receive(settings({ 4: 100 }), open(1), data(1, BYTES));
  stand.drain();
  stand.receive(data(1, BYTES));
  assert.deepEqual([texts(stand), stand.call(0).closes], [['first'], 0]);
  const status = stand.wire.frames.find(({ type, flags }) => type === TYPE.headers && (flags & FLAG.endStream) > 0);
  assert.equal(status?.stream, 1);
  stand.receive(data(1, BYTES, true));
  assert.deepEqual([texts(stand), stand.call(0).halfCloses, stand.call(0).closes], [['first'], 0, 1]);
});

test('unfinished and unread messages of all connections are bounded: who adds to them beyond that is ended', () => {
  const stand = new Stand();
  const part = grpc(Buffer.alloc(40_000)).subarray(0, 16_000);
  stand.receive(open(1), open(3), open(5), data(1, part));
  assert.equal(stand.unfinished.bytes, 16_000);
  stand.unfinished.bytes += UNFINISHED_BYTES - 16_000;
  stand.call(2).stream.read(false);
  // Others have filled it: a message that is small passes, in pieces too.
  stand.receive(data(3, grpc('small').subarray(0, 7)), data(3, grpc('small').subarray(7)));
  assert.deepEqual([texts(stand, 1), stand.counters.messagesRefused], [['small'], 0]);
  stand.receive(data(1, Buffer.alloc(1_000)), data(5, grpc(Buffer.alloc(12_000))));
  stand.drain();
  const statuses = (): number[] =>
    stand.wire.frames
      .filter(({ type, flags }) => type === TYPE.headers && (flags & FLAG.endStream) > 0)
      .map(({ stream }) => stream);
  assert.deepEqual([statuses(), stand.counters.messagesRefused], [[1], 1]);
  // What it held is free again.
  assert.equal(stand.unfinished.bytes, UNFINISHED_BYTES - 16_000 + 12_005);
  stand.unfinished.bytes += 16_000;
  stand.receive(data(5, grpc(Buffer.alloc(12_000))));
  stand.drain();
  assert.deepEqual([statuses(), stand.counters.messagesRefused], [[1, 5], 2]);
});

test('DATA of padding only is credited', () => {
  const stand = new Stand();
  stand.receive(open(1), data(1, grpc('first')));
  const padding = frame(TYPE.data, FLAG.padded, 1, Buffer.concat([Buffer.of(255), Buffer.alloc(255)]));
  for (let at = 0; at < 200; at++) stand.receive(padding);
  stand.drain();
  assert.ok(credits(stand, 1) > 32_000, `${credits(stand, 1)} bytes`);
});

test('a message that has begun has the time of a first one, however it drips; not while it is not read', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const stand = new Stand();
  const passes = (ms: number): void => {
    stand.now += ms;
    t.mock.timers.tick(ms);
    stand.drain();
  };
  const ended = (): number[] =>
    stand.wire.frames
      .filter(({ type, flags }) => type === TYPE.headers && (flags & FLAG.endStream) > 0)
      .map(({ stream }) => stream);
  stand.receive(open(1), open(3), open(5), data(1, grpc('one')), data(3, grpc('one')), data(5, grpc('one')));
  passes(2 * MESSAGE_MS);
  assert.deepEqual(ended(), [], 'between messages there is no time');
  const begin = grpc('two').subarray(0, 6);
  stand.receive(data(1, begin), data(3, begin), data(5, begin));
  stand.call(1).stream.read(false);
  passes(MESSAGE_MS / 2);
  stand.receive(data(1, Buffer.from('w')), data(5, grpc('two').subarray(6)));
  passes(MESSAGE_MS);
  assert.deepEqual([ended(), texts(stand, 2)], [[1], ['one', 'two']]);
  stand.call(1).stream.read(true);
  passes(MESSAGE_MS - 1_000);
  assert.deepEqual(ended(), [1]);
  passes(2_000);
  assert.deepEqual(ended(), [1, 3]);
});
