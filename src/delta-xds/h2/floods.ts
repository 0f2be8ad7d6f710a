/** Whatever makes us answer or decide without end is counted by the second, and has a bound (invariant H10). */
import type { TransportLimits } from '../limits.ts';
import { CODE, ConnectionFault } from './frames.ts';

type Limits = Pick<TransportLimits, 'streamsPerSecond' | 'headerBytes'>;

/** Frames in a second that carry nothing: pings, settings, empty DATA, priorities, resets. gRPC clients ping while they measure a link. */
const IDLE_FRAMES = 10_000;
/** Requests in a second that are malformed, refused for their number, or on streams that have ended. */
const OFFENCES = 100;

/** SETTINGS in a second, acknowledgements aside: each may move the windows of all streams. */
const SETTINGS = 100;
/** Compressed bytes of headers in a second, at least: decoding costs more than reading. */
const HEADER_BYTES = 1024 * 1024;
/** Headers that are as large as they may be in a second, at least. */
const LARGE_HEADERS = 64;

/** A client does too much of what is allowed: told apart from broken HTTP/2 in the counters. */
export class FloodFault extends ConnectionFault {
  constructor(message: string) {
    super(CODE.ENHANCE_YOUR_CALM, message);
  }
}

/** How often something happened in the second that runs. */
class Pace {
  #since = 0;
  #count = 0;

  /** Counts at `now`, ms, monotonic; returns how many there are in this second. */
  count(now: number, by = 1): number {
    if (now - this.#since >= 1_000) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count += by;
    return this.#count;
  }
}

export class Floods {
  readonly #clock: () => number;
  readonly #streamsPerSecond: number;
  readonly #idleFrames = new Pace();
  readonly #offences = new Pace();
  readonly #opened = new Pace();
  readonly #settings = new Pace();
  readonly #headerBytes = new Pace();
  readonly #mostHeaderBytes: number;

  /** `clock`: ms, monotonic. */
  constructor(clock: () => number, { streamsPerSecond, headerBytes }: Limits) {
    this.#clock = clock;
    this.#streamsPerSecond = streamsPerSecond;
    this.#mostHeaderBytes = Math.max(HEADER_BYTES, LARGE_HEADERS * headerBytes);
  }

  /** A frame that carries nothing. Throws `FloodFault`, as the others do. */
  idleFrame(): void {
    if (this.#idleFrames.count(this.#clock()) > IDLE_FRAMES)
      throw new FloodFault(`more than ${IDLE_FRAMES} frames without content in a second`);
  }

  settings(): void {
    if (this.#settings.count(this.#clock()) > SETTINGS)
      throw new FloodFault(`more than ${SETTINGS} SETTINGS in a second`);
  }

  /** Of a block of headers, or a part of one. */
  headers(bytes: number): void {
    if (this.#headerBytes.count(this.#clock(), bytes) > this.#mostHeaderBytes)
      throw new FloodFault(`more than ${this.#mostHeaderBytes} bytes of headers in a second`);
  }

  opened(): void {
    if (this.#opened.count(this.#clock()) > this.#streamsPerSecond)
      throw new FloodFault(`more than ${this.#streamsPerSecond} streams in a second`);
  }

  /** A stream error. Broken HTTP/2 rather than a flood: throws `ConnectionFault`. */
  offence(): void {
    if (this.#offences.count(this.#clock()) > OFFENCES)
      throw new ConnectionFault(CODE.ENHANCE_YOUR_CALM, `more than ${OFFENCES} refused requests in a second`);
  }
}
