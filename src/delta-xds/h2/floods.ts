/** Whatever makes us answer or decide without end is counted by the second, and has a bound (invariant H10). */
import { CODE, ConnectionFault } from './frames.ts';

/** Frames in a second that carry nothing: pings, settings, empty DATA, priorities, resets. gRPC clients ping while they measure a link. */
const IDLE_FRAMES = 10_000;
/** Requests in a second that are malformed, refused for their number, or on streams that have ended. */
const OFFENCES = 100;

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

  /** Counts one at `now`, ms, monotonic; returns how many there are in this second. */
  count(now: number): number {
    if (now - this.#since >= 1_000) {
      this.#since = now;
      this.#count = 0;
    }
    return ++this.#count;
  }
}

export class Floods {
  readonly #clock: () => number;
  readonly #streamsPerSecond: number;
  readonly #idleFrames = new Pace();
  readonly #offences = new Pace();
  readonly #opened = new Pace();

  /** `clock`: ms, monotonic. */
  constructor(clock: () => number, streamsPerSecond: number) {
    this.#clock = clock;
    this.#streamsPerSecond = streamsPerSecond;
  }

  /** A frame that carries nothing. Throws `FloodFault`, as the others do. */
  idleFrame(): void {
    if (this.#idleFrames.count(this.#clock()) > IDLE_FRAMES)
      throw new FloodFault(`more than ${IDLE_FRAMES} frames without content in a second`);
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
