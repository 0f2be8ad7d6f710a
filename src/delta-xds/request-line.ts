/**
 * Requests in the order they came, with a share of each turn of the event loop.
 *
 * When ten thousand sidecars come back at once, their requests are seconds of work: done as they are read, nobody new is let in
 * meanwhile, and no broadcast goes out. Beyond `TURN_MS` in a turn the rest waits for the next one, in line.
 *
 * Bound: bytes that wait; beyond it all of the line is done at once, as if there were none.
 */
const TURN_MS = 10;
const MAX_BYTES = 16 * 1024 * 1024;

interface Waiting {
  readonly run: () => void;
  readonly bytes: number;
}

export class RequestLine {
  readonly #clock: () => number;
  readonly #later: (run: () => void) => void;
  #line: Waiting[] = [];
  #at = 0;
  #bytes = 0;
  /** In this turn, ms. */
  #spent = 0;
  #turning = false;
  /** Counter: requests that waited for a later turn. */
  deferred = 0;

  /** `clock`: ms, monotonic. `later`: runs a function in a later turn of the event loop. */
  constructor(clock: () => number, later: (run: () => void) => void) {
    this.#clock = clock;
    this.#later = later;
  }

  /** True when something that came now would wait. */
  get busy(): boolean {
    return this.#at < this.#line.length || this.#spent >= TURN_MS;
  }

  /** To be called while `busy`: in its turn. `bytes`: what it holds in memory until then. */
  wait(run: () => void, bytes: number): void {
    this.deferred++;
    this.#bytes += bytes;
    this.#line.push({ run, bytes });
    if (this.#bytes > MAX_BYTES) this.#serve(Number.POSITIVE_INFINITY);
  }

  /** While not `busy`: around what is done at once; `end` takes what `begin` gave. */
  begin(): number {
    return this.#clock();
  }

  end(began: number): void {
    this.#spent += this.#clock() - began;
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
    while (this.#at < this.#line.length && this.#spent < ms) {
      const waiting = this.#line[this.#at++];
      if (waiting === undefined) break;
      this.#bytes -= waiting.bytes;
      const began = this.begin();
      waiting.run();
      this.end(began);
    }
    if (this.#at < this.#line.length) return;
    this.#line = [];
    this.#at = 0;
  }
}
