/** What one connection sends, without sockets: calls in turn, windows, `taken`, the end (call.ts, outgoing.ts, outbox.ts). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MessageReader } from '../../../src/delta-xds/h2/message-reader.ts';
import { data, reset, settings, windowUpdate } from '../../support/h2-frames.ts';
import { CLOSING_MS, Stand } from './fake-wire.ts';
import { CODE, FLAG, grpc, open, ping, TYPE } from './raw-client.ts';

const nothing = (): void => undefined;
const LARGE = 10_000_000;

const messagesOf = (bytes: Buffer): Buffer[] => {
  const reader = new MessageReader(LARGE);
  reader.push(bytes);
  const all: Buffer[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next()) all.push(message);
  assert.deepEqual([reader.fault, reader.pending], [undefined, 0], 'whole messages');
  return all;
};

describe('streams in turn', () => {
  test('one frame of each in turn, also from one write to the next; one that joins has its turn, no more', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: LARGE }), windowUpdate(0, LARGE), open(1), open(3), open(5));
    for (const { stream } of stand.calls.slice(0, 2)) stream.write(Buffer.alloc(100_000), nothing);
    stand.flush();
    stand.wire.taken();
    stand.call(2).stream.write(Buffer.alloc(20_000), nothing);
    stand.drain();
    const order = stand.wire.frames.filter(({ type }) => type === TYPE.data).map(({ stream }) => stream);
    // Two writes of four frames are out, or with the system, before the third stream has something.
    assert.deepEqual(order, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 5, 1, 3, 5, 1, 3]);
  });

  test('a write is bounded, and one at a time; control frames overtake what waits', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: LARGE }), windowUpdate(0, LARGE), open(1));
    stand.call(0).stream.write(Buffer.alloc(1_000_000), nothing);
    stand.flush();
    assert.equal(stand.wire.inFlight, 1);
    stand.receive(ping);
    stand.flush();
    assert.equal(stand.wire.inFlight, 1, 'while a write is in flight nothing is written');
    const before = stand.wire.writes.length;
    stand.wire.taken();
    const [first] = stand.wire.frames.slice(-5);
    assert.equal(stand.wire.writes.length, before + 1);
    assert.equal(first?.type, TYPE.ping);
    stand.drain();
    for (const write of stand.wire.writes) assert.ok(write.length < 65_536 + 16_384 + 9 + 5, `${write.length} bytes`);
    assert.equal(stand.dataOf(1).length, 1_000_005);
  });

  test('the window of the connection holds up messages, and no status; who waits longest goes first', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: LARGE }), open(1), open(3), open(5));
    const [one, two, three] = stand.calls;
    one?.stream.write(Buffer.alloc(80_000, 1), nothing);
    two?.stream.write(Buffer.alloc(80_000, 2), nothing);
    stand.drain();
    assert.equal(stand.dataOf(1).length + stand.dataOf(3).length, 65_535);
    three?.stream.end(5, 'none');
    one?.stream.write(Buffer.alloc(10), nothing);
    stand.drain();
    const ended = stand.wire.frames.filter(({ flags, type }) => type === TYPE.headers && (flags & FLAG.endStream) > 0);
    assert.deepEqual(
      ended.map(({ stream }) => stream),
      [5],
    );
    const writes = stand.wire.writes.length;
    stand.drain();
    assert.equal(stand.wire.writes.length, writes, 'nothing goes round');
    const [before1, before3] = [stand.dataOf(1).length, stand.dataOf(3).length];
    stand.receive(windowUpdate(0, 20_000));
    stand.drain();
    assert.deepEqual(
      [stand.dataOf(1).length - before1, stand.dataOf(3).length - before3].sort((a, b) => a - b),
      [3_616, 16_384],
      'a frame of one, the rest of the window for the other',
    );
  });
});

describe('windows', () => {
  type Step =
    | { readonly is: 'grant'; readonly stream: number; readonly bytes: number }
    | { readonly is: 'initial'; readonly bytes: number }
    | { readonly is: 'frame'; readonly bytes: number }
    | { readonly is: 'write'; readonly call: number; readonly length: number }
    | { readonly is: 'end'; readonly call: number }
    | { readonly is: 'flush' | 'taken' };
  const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 40_000 }));
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({
      is: fc.constant('grant' as const),
      stream: fc.constantFrom(0, 1, 3, 5),
      bytes: size.map((n) => n + 1),
    }),
    fc.record({ is: fc.constant('initial' as const), bytes: size }),
    fc.record({ is: fc.constant('frame' as const), bytes: fc.integer({ min: 16_384, max: 70_000 }) }),
    { weight: 3, arbitrary: fc.record({ is: fc.constant('write' as const), call: fc.nat({ max: 2 }), length: size }) },
    fc.record({ is: fc.constant('end' as const), call: fc.nat({ max: 2 }) }),
    { weight: 2, arbitrary: fc.constantFrom({ is: 'flush' as const }, { is: 'taken' as const }) },
  );

  test('whatever the windows and frame sizes: never more than is granted, each message whole, in order, and taken once', () => {
    let negative = 0;
    let data = 0;
    fc.assert(
      fc.property(size, fc.array(step, { minLength: 20, maxLength: 60 }), (first, steps) => {
        const stand = new Stand();
        let initial = first;
        let frame = 16_384;
        const left = new Map([
          [0, 65_535],
          [1, first],
          [3, first],
          [5, first],
        ]);
        const grant = (stream: number, bytes: number): void => void left.set(stream, (left.get(stream) ?? 0) + bytes);
        stand.wire.onFrames = (frames) => {
          for (const { type, stream, payload } of frames) {
            if (type !== TYPE.data) continue;
            data++;
            assert.ok(payload.length <= frame && payload.length > 0, `a frame of ${payload.length} bytes`);
            for (const of of [0, stream]) {
              grant(of, -payload.length);
              assert.ok((left.get(of) ?? 0) >= 0, `window of ${of} is ${left.get(of)}`);
            }
          }
        };
        stand.receive(settings({ 4: first }), open(1), open(3), open(5));
        const sent: Buffer[][] = [[], [], []];
        const taken: number[][] = [[], [], []];
        const ended = new Set<number>();
        for (const one of steps)
          switch (one.is) {
            case 'grant':
              grant(one.stream, one.bytes);
              stand.receive(windowUpdate(one.stream, one.bytes));
              break;
            case 'initial':
              for (const stream of [1, 3, 5]) grant(stream, one.bytes - initial);
              initial = one.bytes;
              if ([1, 3, 5].some((stream) => (left.get(stream) ?? 0) < 0)) negative++;
              stand.receive(settings({ 4: one.bytes }));
              break;
            case 'frame':
              frame = one.bytes;
              stand.receive(settings({ 5: one.bytes }));
              break;
            case 'write': {
              const all = sent[one.call] ?? [];
              const message = Buffer.alloc(one.length, all.length + 1);
              const number = all.length;
              stand.call(one.call).stream.write(message, () => taken[one.call]?.push(number));
              if (!ended.has(one.call)) all.push(message);
              break;
            }
            case 'end':
              if (!ended.has(one.call)) stand.call(one.call).stream.end(0, '');
              ended.add(one.call);
              break;
            case 'flush':
              stand.flush();
              break;
            case 'taken':
              stand.wire.taken();
          }
        for (const stream of [0, 1, 3, 5]) {
          grant(stream, LARGE);
          stand.receive(windowUpdate(stream, LARGE));
        }
        stand.drain();
        for (const [at, stream] of [1, 3, 5].entries()) {
          assert.deepEqual(messagesOf(stand.dataOf(stream)), sent[at], `stream ${stream}`);
          assert.deepEqual(taken[at], [...(sent[at]?.keys() ?? [])], `taken of stream ${stream}`);
          const last = stand.wire.frames.filter((one) => one.stream === stream).at(-1);
          assert.equal(((last?.flags ?? 0) & FLAG.endStream) > 0, ended.has(at), 'the status comes last');
        }
      }),
      { numRuns: 150, verbose: 1 },
    );
    assert.ok(negative > 5 && data > 200, `${negative} negative windows, ${data} frames`);
  });

  test('a client that grants byte by byte gets every message, a byte at a time', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: 0 }), open(1));
    const messages = ['first', '', 'x'.repeat(300)];
    let taken = 0;
    for (const message of messages) stand.call(0).stream.write(Buffer.from(message), () => taken++);
    stand.call(0).stream.end(0, '');
    stand.drain();
    const whole = Buffer.concat(messages.map(grpc));
    for (let bytes = 0; bytes < whole.length; bytes++) {
      assert.deepEqual(stand.dataOf(1), whole.subarray(0, bytes));
      stand.receive(windowUpdate(1, 1));
      stand.drain();
    }
    assert.deepEqual([stand.dataOf(1), taken], [whole, 3]);
    assert.deepEqual(stand.wire.frames.at(-1)?.flags, FLAG.endStream | FLAG.endHeaders);
  });

  test('SETTINGS make a window negative: it counts up from there', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: 100 }), open(1));
    stand.call(0).stream.write(Buffer.alloc(200), nothing);
    stand.drain();
    assert.equal(stand.dataOf(1).length, 100);
    stand.receive(settings({ 4: 10 }), windowUpdate(1, 90));
    stand.drain();
    assert.equal(stand.dataOf(1).length, 100, '0 is left');
    stand.receive(settings({ 4: 12 }));
    stand.drain();
    assert.equal(stand.dataOf(1).length, 102);
  });
});

describe('the end', () => {
  test('taken is told when the system has the last byte, once, and not of what a closed stream left behind', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: 50 }), open(1), open(3));
    const told: string[] = [];
    const { stream } = stand.call(0);
    stream.write(Buffer.alloc(10), () => told.push('small'));
    stream.write(Buffer.alloc(100), () => told.push('large'));
    stand.flush();
    assert.equal(told.length, 0);
    stand.wire.taken();
    assert.deepEqual(told, ['small']);
    stand.receive(reset(1));
    assert.equal(stand.call(0).closes, 1);
    stand.receive(windowUpdate(3, 1_000));
    stand.drain();
    assert.equal(
      stream.write(Buffer.alloc(1), () => told.push('late')),
      false,
    );
    stand.drain();
    assert.deepEqual(told, ['small']);
  });

  test('a client that takes what comes before the status, however slowly, gets all of it; one that takes nothing is cut', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const stand = new Stand();
    const passes = (ms: number): void => {
      stand.now += ms;
      t.mock.timers.tick(ms);
      stand.drain();
    };
    stand.receive(settings({ 4: 1_000 }), open(1), open(3));
    for (const { stream } of stand.calls) {
      stream.write(Buffer.alloc(6_000), nothing);
      stream.end(0, '');
    }
    stand.drain();
    for (let at = 0; at < 6; at++) {
      passes(CLOSING_MS - 100);
      stand.receive(windowUpdate(1, 1_000));
      stand.drain();
    }
    const ends = (stream: number): number[] =>
      stand.wire.frames
        .filter((one) => one.stream === stream && (one.type === TYPE.reset || (one.flags & FLAG.endStream) > 0))
        .map(({ type }) => type);
    assert.deepEqual([stand.dataOf(1).length, ends(1), ends(3)], [6_005, [TYPE.headers], [TYPE.reset]]);
    // From its status on it has the same time to close.
    passes(CLOSING_MS - 100);
    assert.equal(stand.call(0).closes, 0);
    passes(200);
    assert.deepEqual([stand.call(0).closes, ends(1)], [1, [TYPE.headers, TYPE.reset]]);
  });

  test('a client has its time to close from when the status goes out, not from when it was said', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const stand = new Stand();
    const passes = (ms: number): void => {
      stand.now += ms;
      t.mock.timers.tick(ms);
      stand.flush();
    };
    stand.receive(open(1));
    stand.call(0).stream.write(Buffer.alloc(10), nothing);
    stand.flush();
    // The system takes nothing for a while.
    stand.call(0).stream.end(0, '');
    passes(CLOSING_MS - 100);
    stand.drain();
    passes(CLOSING_MS - 100);
    assert.equal(stand.call(0).closes, 0);
    passes(200);
    assert.equal(stand.call(0).closes, 1);
  });

  test('a fault while a write is in flight: the reason goes behind it, what is in line is lost, nothing follows', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: LARGE }), windowUpdate(0, LARGE), open(1));
    const { stream } = stand.call(0);
    stream.write(Buffer.alloc(500_000), nothing);
    stand.flush();
    const sent = stand.dataOf(1).length;
    // HEADERS of an even stream.
    stand.receive(open(2));
    assert.equal(stand.wire.frames.at(-1)?.type, TYPE.goAway);
    assert.equal(stand.wire.frames.at(-1)?.payload.readUInt32BE(4), CODE.protocol);
    assert.equal(stand.wire.ends, 1);
    const writes = stand.wire.writes.length;
    stream.write(Buffer.alloc(10), nothing);
    stream.end(0, '');
    stand.receive(ping, windowUpdate(1, 5), open(7));
    stand.drain();
    assert.equal(stand.wire.writes.length, writes);
    assert.equal(stand.dataOf(1).length, sent);
    stand.connection.closed();
    stand.connection.closed();
    assert.deepEqual([stand.call(0).closes, stand.calls.length], [1, 1]);
  });

  test('after GOAWAY it ends when the last stream has, with its status; then nothing more is written', () => {
    const stand = new Stand();
    stand.receive(settings({ 4: 10 }), open(1), open(3));
    stand.call(0).stream.write(Buffer.alloc(20), nothing);
    stand.call(0).stream.end(0, '');
    stand.connection.goAway();
    stand.drain();
    assert.equal(stand.wire.ends, 0);
    // Too late for a new one; the others may go on.
    stand.receive(open(5), data(3, grpc('still here')), reset(3), windowUpdate(1, 100));
    assert.equal(stand.calls.length, 2);
    assert.deepEqual(stand.call(1).messages.map(String), ['still here']);
    stand.drain();
    assert.equal(stand.dataOf(1).length, 25);
    assert.equal(stand.wire.ends, 0, 'the client has not ended its side');
    stand.receive(data(1, Buffer.alloc(0), true));
    stand.drain();
    assert.equal(stand.wire.ends, 1);
    const writes = stand.wire.writes.length;
    stand.receive(ping, open(9), settings({ 4: 1 }));
    stand.drain();
    assert.deepEqual([stand.wire.writes.length, stand.wire.ends], [writes, 1]);
  });
});
