/** One connection of the transport without a socket: what it writes is with "the system" until a test says that it has been taken. */
import assert from 'node:assert/strict';
import { Deadlines } from '../../../src/delta-xds/deadlines.ts';
import type { Call } from '../../../src/delta-xds/h2/call.ts';
import { Connection, ourSettings } from '../../../src/delta-xds/h2/connection.ts';
import type { Outbox, Wire } from '../../../src/delta-xds/h2/outbox.ts';
import { DEFAULT_SERVER_LIMITS } from '../../../src/delta-xds/limits.ts';
import { type TransportStream, zeroTransportCounters } from '../../../src/delta-xds/transport.ts';
import { ECHO } from '../../contracts/transport-stand.ts';
import { framesOf } from '../../support/h2-frames.ts';
import { HELLO } from './raw-client.ts';

export type Frame = ReturnType<typeof framesOf>[number];

/** A client has this long to close a stream that has ended. */
export const CLOSING_MS = 1_000;
/** Time for a message. */
export const MESSAGE_MS = 60_000;

export class FakeWire implements Wire {
  /** Each write. */
  readonly writes: Buffer[] = [];
  /** Of those that the system has not taken. */
  readonly #waiting: (() => void)[] = [];
  ends = 0;
  /** Sees the frames of each write at once. */
  onFrames: (frames: readonly Frame[]) => void = () => undefined;

  write(pieces: readonly Uint8Array[], bytes: number, written: () => void): void {
    assert.equal(this.ends, 0, 'a write after the end');
    const all = Buffer.concat(pieces);
    assert.equal(all.length, bytes);
    this.writes.push(all);
    this.#waiting.push(written);
    this.onFrames(framesOf(all));
  }

  end(): void {
    this.ends++;
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  /** The system has taken what was written. */
  taken(): void {
    for (const written of this.#waiting.splice(0)) written();
  }

  get frames(): readonly Frame[] {
    return framesOf(Buffer.concat(this.writes));
  }
}

/** What a server hears of one call. */
export interface Seen {
  readonly stream: TransportStream;
  readonly messages: Buffer[];
  halfCloses: number;
  closes: number;
}

export interface StandOptions {
  /** Beside what is noted. */
  readonly onMessage?: (seen: Seen, message: Buffer) => void;
}

export class Stand {
  readonly wire = new FakeWire();
  readonly counters = zeroTransportCounters();
  readonly calls: Seen[] = [];
  readonly connection: Connection;
  /** Of all connections of the process. */
  readonly unfinished = { bytes: 0 };
  /** ms. */
  now = 5;
  readonly #toFlush: Outbox[] = [];

  constructor({ onMessage }: StandOptions = {}) {
    const nothing = (): void => undefined;
    const clock = (): number => this.now;
    const limits = DEFAULT_SERVER_LIMITS;
    this.connection = new Connection(
      {
        limits,
        counters: this.counters,
        clock,
        routes: new Map([
          [
            ECHO,
            (stream) => {
              const seen: Seen = { stream, messages: [], halfCloses: 0, closes: 0 };
              this.calls.push(seen);
              return {
                onMessage: (message) => {
                  seen.messages.push(Buffer.from(message));
                  onMessage?.(seen, Buffer.from(message));
                },
                onHalfClose: () => seen.halfCloses++,
                onClose: () => seen.closes++,
              };
            },
          ],
        ]),
        hooks: { opened: nothing, closed: nothing, reset: nothing },
        first: new Deadlines<Call>(MESSAGE_MS, clock, (call) => call.end(4, 'late')),
        closing: new Deadlines<Call>(CLOSING_MS, clock, (call) => call.abandon()),
        unfinished: this.unfinished,
        schedule: (outbox) => this.#toFlush.push(outbox),
      },
      this.wire,
      '127.0.0.1:1',
      ourSettings(limits),
    );
    this.connection.receive(HELLO);
  }

  call(at: number): Seen {
    return this.calls[at] ?? assert.fail(`no call ${at}`);
  }

  receive(...frames: readonly Buffer[]): void {
    this.connection.receive(Buffer.concat(frames));
  }

  /** The end of the turn. */
  flush(): void {
    for (const outbox of this.#toFlush.splice(0)) outbox.flush();
  }

  /** Until nothing is to be written and nothing is in flight. */
  drain(): void {
    this.flush();
    while (this.wire.inFlight > 0) {
      this.wire.taken();
      this.flush();
    }
  }

  /** Payloads of DATA of a stream, in order. */
  dataOf(stream: number): Buffer {
    return Buffer.concat(
      this.wire.frames.filter((one) => one.type === 0 && one.stream === stream).map(({ payload }) => payload),
    );
  }
}
