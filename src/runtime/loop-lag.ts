/**
 * How long the event loop of this process keeps a due task waiting, as a cumulative histogram.
 *
 * A timer every `SAMPLE_MS` looks how late it is. A turn of 200 ms would hide from it the samples it delays, so those are counted too,
 * each with the lag it would have seen: the shares are shares of time, as a request that comes at any moment meets them.
 */

/** Upper bounds of the buckets, seconds. */
export const LAG_BOUNDS: readonly number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5];

const SAMPLE_MS = 20;
/** Samples made up for one long turn: a process that was stopped for an hour must not loop over it. */
const MAX_MISSED = 1_000;

export interface LagHistogram {
  /** Samples at or below each of `LAG_BOUNDS`. */
  readonly buckets: readonly number[];
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
}

export class LoopLag {
  readonly #clock: () => number;
  readonly #counts = new Float64Array(LAG_BOUNDS.length);
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #sum = 0;
  #last: number;

  /** `clock`: monotonic, ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#last = clock();
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  /** Called by its own timer. */
  sample(): void {
    const now = this.#clock();
    let lag = now - this.#last - SAMPLE_MS;
    this.#last = now;
    for (let missed = 0; missed < MAX_MISSED; missed++) {
      this.#note(Math.max(0, lag) / 1_000);
      lag -= SAMPLE_MS;
      if (lag <= 0) break;
    }
  }

  #note(seconds: number): void {
    this.#count++;
    this.#sum += seconds;
    for (let at = LAG_BOUNDS.length - 1; at >= 0 && seconds <= (LAG_BOUNDS[at] ?? 0); at--)
      this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  read(): LagHistogram {
    return { buckets: [...this.#counts], count: this.#count, sum: this.#sum };
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
