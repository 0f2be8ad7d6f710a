/**
 * Random clients against one connection, without sockets: valid frames, broken ones and garbage, cut anywhere, while the server
 * writes, stops reading and ends streams. The invariants are those of call.ts, streams.ts and connection.ts. A failing run prints its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deadlines } from '../../../src/delta-xds/deadlines.ts';
import type { Call } from '../../../src/delta-xds/h2/call.ts';
import { Connection, ourSettings } from '../../../src/delta-xds/h2/connection.ts';
import type { Outbox } from '../../../src/delta-xds/h2/outbox.ts';
import { DEFAULT_SERVER_LIMITS } from '../../../src/delta-xds/limits.ts';
import {
  type TransportListener,
  type TransportStream,
  zeroTransportCounters,
} from '../../../src/delta-xds/transport.ts';
import { ECHO } from '../../contracts/transport-stand.ts';
import { data, frame, framesOf, headers, PREFACE, reset, settings, windowUpdate } from '../../support/h2-frames.ts';
import { block, FLAG, grpc, HELLO, open, ping, TYPE } from './raw-client.ts';

const limits = { ...DEFAULT_SERVER_LIMITS, receiveBytes: 2_000, streamsPerConnection: 4 };
const SETTINGS_BYTES = ourSettings(limits);

/** One run's server: echoes; what a message says may end its stream, or stop its reading. */
class World {
  readonly counters = zeroTransportCounters();
  readonly #written: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #toFlush: Outbox[] = [];
  readonly #deadlines = new Deadlines<Call>(
    60_000,
    () => 0,
    () => undefined,
  );
  readonly #paused: TransportStream[] = [];
  opened = 0;
  closed = 0;
  calls = 0;
  /** Calls whose end was told. */
  ended = 0;
  /** What was told after the end, or twice. */
  late = 0;
  messages = 0;
  ends = 0;
  readonly unfinished = { bytes: 0 };
  readonly connection = new Connection(
    {
      limits,
      counters: this.counters,
      clock: () => 5,
      routes: new Map([[ECHO, (stream) => this.#call(stream)]]),
      hooks: { opened: () => this.opened++, closed: () => this.closed++, reset: () => undefined },
      first: this.#deadlines,
      closing: this.#deadlines,
      unfinished: this.unfinished,
      schedule: (outbox) => this.#toFlush.push(outbox),
    },
    {
      write: (pieces, bytes, written) => {
        const all = Buffer.concat(pieces);
        assert.equal(all.length, bytes);
        // Only the last word of a connection goes behind a write that is on its way.
        assert.ok(this.#waiting.length === 0 || this.connection.over, 'two writes at a time');
        assert.equal(this.ends, 0, 'a write after the end');
        this.#written.push(all);
        this.#waiting.push(written);
      },
      end: () => this.ends++,
    },
    '127.0.0.1:1',
    SETTINGS_BYTES,
  );

  #call(stream: TransportStream): TransportListener {
    this.calls++;
    let over = false;
    let half = false;
    const alive = (): void => {
      if (over || half) this.late++;
    };
    return {
      onMessage: (message: Uint8Array) => {
        alive();
        this.messages++;
        stream.write(message, () => undefined);
        if (message[0] === 1) stream.end(0, '');
        if (message[0] === 2) {
          stream.read(false);
          this.#paused.push(stream);
        }
      },
      onHalfClose: () => {
        alive();
        half = true;
        if (this.messages % 2 === 0) stream.end(0, '');
      },
      onClose: () => {
        if (over) this.late++;
        over = true;
        this.ended++;
      },
    };
  }

  flush(): void {
    for (const outbox of this.#toFlush.splice(0)) outbox.flush();
  }

  /** The system has taken what was written. */
  taken(): void {
    for (const written of this.#waiting.splice(0)) written();
  }

  resume(): void {
    for (const stream of this.#paused.splice(0)) {
      stream.read(true);
      stream.read(true);
    }
  }

  get output(): Buffer {
    return Buffer.concat(this.#written);
  }

  /** Takes all that is in line. */
  drain(): void {
    while (this.#toFlush.length + this.#waiting.length > 0) {
      this.flush();
      this.taken();
    }
  }
}

const stream = fc.constantFrom(1, 1, 3, 3, 5, 7);
const bytes = (maxLength: number): fc.Arbitrary<Buffer> => fc.uint8Array({ maxLength }).map((all) => Buffer.from(all));
const message = fc
  .tuple(fc.constantFrom(0, 0, 1, 2), bytes(300))
  .map(([kind, rest]) => grpc(Buffer.concat([Buffer.of(kind), rest])));
const fine = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(7, 9, 11, 13).map(open) },
  {
    weight: 8,
    arbitrary: fc
      .tuple(stream, message, fc.integer({ min: 0, max: 8 }))
      .map(([on, of, last]) => data(on, of, last === 0)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(stream, message)
      .map(([on, of]) => Buffer.concat([data(on, of.subarray(0, 3)), data(on, of.subarray(3))])),
  },
  { weight: 1, arbitrary: stream.map((on) => headers(on, '/unknown')) },
  { weight: 1, arbitrary: stream.map(reset) },
  { weight: 1, arbitrary: fc.constant(ping) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 1, 3), fc.integer({ min: 1, max: 5_000 }))
      .map(([on, by]) => windowUpdate(on, by)),
  },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2_000 }).map((window) => settings({ 4: window })) },
  {
    weight: 1,
    arbitrary: stream.map((on) =>
      Buffer.concat([
        frame(TYPE.headers, 0, on, block(on).subarray(0, 30)),
        frame(TYPE.continuation, FLAG.endHeaders, on, block(on).subarray(30)),
      ]),
    ),
  },
);
const broken = fc.oneof(
  fc
    .tuple(
      fc.integer({ min: 0, max: 10 }),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(0, 1, 2, 3, 11),
      bytes(20),
    )
    .map(([type, flags, on, payload]) => frame(type, flags, on, payload)),
  bytes(30),
);
const session = fc
  .array(fc.oneof({ weight: 30, arbitrary: fine }, { weight: 1, arbitrary: broken }), { maxLength: 40 })
  .map((frames) => Buffer.concat([HELLO, open(1), open(3), open(5), open(7), ...frames]));

const play = (sent: Buffer, cuts: readonly number[], act: (world: World, step: number) => void): World => {
  const world = new World();
  let rest = sent;
  for (const [step, cut] of [...cuts, sent.length].entries()) {
    world.connection.receive(rest.subarray(0, cut));
    rest = rest.subarray(cut);
    act(world, step);
    if (rest.length === 0) break;
  }
  return world;
};

/** DATA never exceeds the windows that a client has granted in all. */
const assertWithin = (sent: Buffer, output: Buffer): void => {
  let connection = 65_535;
  for (const one of framesOf(sent.subarray(PREFACE.length)))
    if (one.type === TYPE.window && one.stream === 0 && one.payload.length === 4)
      connection += one.payload.readUInt32BE(0) & 0x7fffffff;
  const out = framesOf(output);
  const used = out.reduce((all, { type, payload }) => all + (type === TYPE.data ? payload.length : 0), 0);
  assert.ok(used <= connection, `${used} bytes of DATA, ${connection} were granted`);
  assert.equal(
    out.reduce((all, { payload }) => all + 9 + payload.length, 0),
    output.length,
    'frames are whole',
  );
  assert.ok(out.filter(({ type }) => type === TYPE.goAway).length <= 1);
};

test('H1, H5, H11: random clients, cut anywhere, throw nothing, and leave nothing', () => {
  let messages = 0;
  let faults = 0;
  fc.assert(
    fc.property(
      session,
      fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      (sent, cuts, every) => {
        const world = play(sent, cuts, (now, step) => {
          if (step % 2 === 0) now.flush();
          if (step % every === 0) now.taken();
          if (step % (2 * every) === 1) now.resume();
        });
        world.resume();
        world.drain();
        const { protocolErrors, floods } = world.counters;
        assert.equal(world.connection.over, protocolErrors + floods === 1);
        assert.ok(protocolErrors + floods <= 1);
        assertWithin(sent, world.output);
        messages += world.messages;
        faults += protocolErrors;
        world.connection.closed();
        const told = world.ended;
        world.connection.receive(open(101));
        world.drain();
        assert.deepEqual([world.late, world.ended, world.closed], [0, world.calls, world.opened]);
        assert.equal(world.ended, told);
        assert.equal(world.unfinished.bytes, 0);
      },
    ),
    { numRuns: 300, verbose: 1 },
  );
  assert.ok(messages > 150 && faults > 12, `only ${messages} messages and ${faults} faults`);
});

test('a client is answered the same however its bytes are cut', () => {
  fc.assert(
    fc.property(session, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 100 }), (sent, cuts) => {
      const nothing = (): void => undefined;
      const whole = play(sent, [], nothing);
      const cut = play(sent, cuts, nothing);
      whole.drain();
      cut.drain();
      assert.deepEqual(cut.output, whole.output);
      assert.deepEqual([cut.messages, cut.calls, cut.ended], [whole.messages, whole.calls, whole.ended]);
    }),
    { numRuns: 120, verbose: 1 },
  );
});
