/** A budget that refills with time: at most `rate` a second in the long run, `capacity` at once. */
export class TokenBucket {
  readonly #rate: number;
  readonly #capacity: number;
  #tokens: number;
  #at: number;

  /** `now`: ms, monotonic; begins full. */
  constructor(rate: number, capacity: number, now: number) {
    this.#rate = rate;
    this.#capacity = capacity;
    this.#tokens = capacity;
    this.#at = now;
  }

  /** Whole tokens there are. */
  available(now: number): number {
    if (now > this.#at) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + ((now - this.#at) * this.#rate) / 1_000);
      this.#at = now;
    }
    return Math.max(0, Math.floor(this.#tokens));
  }

  /** Takes them, also those that are not there: they are owed. */
  take(count: number): void {
    this.#tokens -= count;
  }

  isFull(now: number): boolean {
    this.available(now);
    return this.#tokens >= this.#capacity;
  }
}
