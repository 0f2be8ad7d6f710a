/**
 * Requests in line, with a share of each turn of the event loop.
 *
 * When ten thousand sidecars come back at once, their requests are seconds of work: done as they are read, nobody new is let in
 * meanwhile, and no broadcast goes out. Beyond `TURN_MS` in a turn the rest waits for the next one. Each stream has a lane of its own, in
 * the order it came; lanes take turns, one request each, so that a stream that asks without end delays itself alone.
 *
 * Bounds: what waits in one lane: beyond `LANE_MESSAGES` or `LANE_BYTES` its stream is read no further until little is left (counter).
 * Bytes that wait in all lanes that may go: beyond `MAX_BYTES` all of it is done at once, as if there were no line. What waits in a
 * stopped lane is bounded by its own lane alone: doing the others would not make it less.
 */
const TURN_MS = 10;
const MAX_BYTES = 16 * 1024 * 1024;
const LANE_MESSAGES = 64;
const LANE_BYTES = 256 * 1024;
/** Some turns of work. */
const CROWD = 128;

interface Waiting {
  readonly run: () => void;
  readonly bytes: number;
}

/** What is waiting of one stream. */
export interface Lane {
  /** Runs now, or in its turn. `bytes`: what it holds in memory until then. */
  take(run: () => void, bytes: number): void;
  /** Nothing of it has a turn until `go`. */
  stop(): void;
  go(): void;
  /** Forgets what waits. */
  close(): void;
}

/** Told to read its stream no further, or on. */
export type Reading = (reads: boolean) => void;

const NONE: Waiting[] = [];

export class RequestLine {
  readonly #clock: () => number;
  readonly #later: (run: () => void) => void;
  /** Lanes with something to do, each once. */
  #line: StreamLane[] = [];
  #at = 0;
  #bytes = 0;
  /** In this turn, ms. */
  #spent = 0;
  #turning = false;
  /** A turn's work is being done, up to so many ms of it. */
  #serving: { until: number } | undefined;
  /** Counters: requests that waited for a later turn; times that a stream was read no further. */
  deferred = 0;
  unread = 0;

  /** `clock`: ms, monotonic. `later`: runs a function in a later turn of the event loop. */
  constructor(clock: () => number, later: (run: () => void) => void) {
    this.#clock = clock;
    this.#later = later;
  }

  /** True when something that came now on a lane of its own would wait. */
  get busy(): boolean {
    return this.#at < this.#line.length || this.#spent >= TURN_MS;
  }

  /** So many streams wait for their turn that hardly another one should begin. */
  get crowded(): boolean {
    return this.#line.length - this.#at > CROWD;
  }

  lane(reading: Reading): Lane {
    return new StreamLane(this, reading);
  }

  /** For lanes. */
  do(run: () => void): void {
    const began = this.#clock();
    run();
    this.#spent += this.#clock() - began;
    this.#turn();
  }

  /** For lanes: it has something to do. */
  enter(lane: StreamLane): void {
    this.#line.push(lane);
    this.#turn();
  }

  /** For lanes: bytes that wait and may go have become more, or fewer. */
  weigh(bytes: number): void {
    this.#bytes += bytes;
    if (bytes > 0 && this.#bytes > MAX_BYTES) this.#serve(Number.POSITIVE_INFINITY);
  }

  #turn(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#later(() => {
      this.#spent = 0;
      this.#turning = false;
      this.#serve(TURN_MS);
    });
  }

  /** From the front of the line, until so many ms of this turn are spent. */
  #serve(ms: number): void {
    if (this.#serving !== undefined) {
      // From a request that is being done: who does it goes on, instead of another one inside.
      this.#serving.until = Math.max(this.#serving.until, ms);
      return;
    }
    const serving = { until: ms };
    this.#serving = serving;
    try {
      this.#serveUntil(serving);
    } finally {
      this.#serving = undefined;
    }
  }

  #serveUntil(serving: { readonly until: number }): void {
    while (this.#at < this.#line.length && this.#spent < serving.until) {
      const lane = this.#line[this.#at++];
      // A line that never empties must not grow for ever.
      if (this.#at > 4_096 && this.#at * 2 > this.#line.length) {
        this.#line.splice(0, this.#at);
        this.#at = 0;
      }
      lane?.serve();
    }
    if (this.#at < this.#line.length) {
      this.#turn();
      return;
    }
    this.#line = [];
    this.#at = 0;
  }
}

class StreamLane implements Lane {
  readonly #line: RequestLine;
  readonly #reading: Reading;
  #queue: Waiting[] = NONE;
  #at = 0;
  #bytes = 0;
  #inLine = false;
  #stopped = false;
  #unread = false;

  constructor(line: RequestLine, reading: Reading) {
    this.#line = line;
    this.#reading = reading;
  }

  get #waiting(): number {
    return this.#queue.length - this.#at;
  }

  take(run: () => void, bytes: number): void {
    if (!this.#stopped && this.#waiting === 0 && !this.#line.busy) {
      this.#line.do(run);
      return;
    }
    this.#line.deferred++;
    if (this.#queue === NONE) this.#queue = [];
    this.#queue.push({ run, bytes });
    this.#bytes += bytes;
    if (!this.#unread && (this.#waiting > LANE_MESSAGES || this.#bytes > LANE_BYTES)) {
      this.#unread = true;
      this.#line.unread++;
      this.#reading(false);
    }
    this.#enter();
    if (!this.#stopped) this.#line.weigh(bytes);
  }

  #enter(): void {
    if (this.#inLine || this.#stopped || this.#waiting === 0) return;
    this.#inLine = true;
    this.#line.enter(this);
  }

  /** One request; then others have their turn. */
  serve(): void {
    this.#inLine = false;
    const next = this.#stopped ? undefined : this.#queue[this.#at];
    if (next === undefined) return;
    this.#at++;
    if (this.#at === this.#queue.length) {
      this.#queue = NONE;
      this.#at = 0;
    }
    this.#bytes -= next.bytes;
    this.#line.weigh(-next.bytes);
    this.#line.do(next.run);
    this.#read();
    this.#enter();
  }

  /** Reads on when little is left. */
  #read(): void {
    if (!this.#unread || this.#waiting > LANE_MESSAGES / 4 || this.#bytes > LANE_BYTES / 4) return;
    this.#unread = false;
    this.#reading(true);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#line.weigh(-this.#bytes);
  }

  go(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#enter();
    this.#line.weigh(this.#bytes);
  }

  close(): void {
    this.#queue = NONE;
    this.#at = 0;
    if (!this.#stopped) this.#line.weigh(-this.#bytes);
    this.#bytes = 0;
  }
}
