/**
 * What one connection sends: control frames first, then the streams that have something, a frame each in turn, within the client's
 * windows. One batch is with the socket at a time; all else waits here, with its streams.
 *
 * Source: RFC 9113 section 5.2 (flow control counts DATA alone).
 */
import { FloodFault } from './floods.ts';
import { INITIAL_WINDOW } from './frames.ts';
import type { Outgoing } from './outgoing.ts';

/** Where the bytes go. */
export interface Wire {
  /** Passes the pieces on in order; `written` when the system has taken them. One write at a time, but for the last word of a connection. */
  write(pieces: readonly Uint8Array[], bytes: number, written: () => void): void;
  /** Nothing more is written: closes when all has been taken. */
  end(): void;
}

/** Frames of one write. */
export class Batch {
  readonly pieces: Uint8Array[] = [];
  /** Messages whose last byte is in it. */
  readonly complete: Outgoing[] = [];
  bytes = 0;

  add(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.bytes += piece.length;
  }
}

/** The stream has nothing to send, or its own window is used up: it will say so when that has changed. */
export const IDLE = -1;
/** It waits for the connection's window. */
export const BLOCKED = -2;

/** A stream that sends. */
export interface Source {
  /** Adds at most one frame, with at most `window` bytes that count. Returns how many count; or `IDLE`; or `BLOCKED`. */
  pull(batch: Batch, window: number): number;
}

/** A write begins nothing new beyond this. */
const BATCH_BYTES = 64 * 1024;
/** Frames other than DATA that wait. Beyond: `mustBeTaken` throws. */
const CONTROL_BYTES = 64 * 1024;

export class Outbox {
  readonly #wire: Wire;
  readonly #schedule: (outbox: Outbox) => void;
  #control: Buffer[] = [];
  #controlBytes = 0;
  /** In turn. */
  #ready: Source[] = [];
  #writing: Batch | undefined;
  #isScheduled = false;
  /** Nothing more is written. */
  #isClosed = false;
  #endsWhenEmpty = false;
  /** Bytes of DATA that the client takes, of all streams. */
  window = INITIAL_WINDOW;

  /** `schedule`: calls `flush` once this turn's work is done. */
  constructor(wire: Wire, schedule: (outbox: Outbox) => void) {
    this.#wire = wire;
    this.#schedule = schedule;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** A frame that goes before all DATA. */
  control(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#control.push(frame);
    this.#controlBytes += frame.length;
    this.wake();
  }

  /** Throws `FloodFault`: the client takes none of the answers that it causes. */
  mustBeTaken(): void {
    if (this.#controlBytes > CONTROL_BYTES) throw new FloodFault('too many answers wait that are not taken');
  }

  /** The stream has something to send. It must not be in line already. */
  ready(source: Source): void {
    this.#ready.push(source);
    this.wake();
  }

  /** There may be something to send. */
  wake(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    this.#schedule(this);
  }

  flush(): void {
    this.#isScheduled = false;
    if (this.#writing !== undefined || this.#isClosed) return;
    const batch = new Batch();
    for (const frame of this.#control) batch.add(frame);
    this.#control = [];
    this.#controlBytes = 0;
    this.#pull(batch);
    if (batch.bytes > 0) {
      this.#writing = batch;
      this.#wire.write(batch.pieces, batch.bytes, this.#written);
    } else if (this.#endsWhenEmpty) this.#close();
  }

  #pull(batch: Batch): void {
    /** Streams in a row that wait for the connection's window: none of the others can go either, but for trailers. */
    let blocked = 0;
    while (batch.bytes < BATCH_BYTES && blocked < this.#ready.length) {
      const source = this.#ready.shift();
      if (source === undefined) return;
      const used = source.pull(batch, this.window);
      if (used === IDLE) continue;
      this.#ready.push(source);
      if (used === BLOCKED) blocked++;
      else {
        blocked = 0;
        this.window -= used;
      }
    }
  }

  readonly #written = (): void => {
    const batch = this.#writing;
    this.#writing = undefined;
    for (const outgoing of batch?.complete ?? []) outgoing.taken();
    if (this.#control.length > 0 || this.#ready.length > 0) this.flush();
    else if (this.#endsWhenEmpty && this.#writing === undefined) this.#close();
  };

  /** Closes the connection when all that is in line has been taken. */
  endWhenEmpty(): void {
    this.#endsWhenEmpty = true;
    this.wake();
  }

  #close(): void {
    this.#isClosed = true;
    this.#wire.end();
  }

  /**
   * Writes this last frame behind whatever the socket has, and ends. What was in line is lost. The socket is not destroyed: what the
   * client still has on its way would be answered with a reset, and the client might not read why it lost its connection.
   * `isAlone`: control frames that wait are lost too.
   */
  abort(frame: Buffer, isAlone: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ready = [];
    const pieces = isAlone ? [frame] : [...this.#control, frame];
    this.#control = [];
    this.#wire.write(pieces, isAlone ? frame.length : this.#controlBytes + frame.length, () => undefined);
    this.#wire.end();
  }

  /** The connection is gone. */
  clear(): void {
    this.#isClosed = true;
    this.#ready = [];
    this.#control = [];
  }
}
