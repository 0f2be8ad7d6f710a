/**
 * How many names that nobody answers a node may ask for: a bucket that fills at a rate. A sidecar whose application tries hosts without
 * end costs the control plane a fixed share, whatever it does. Pure: time is an argument, ms of one monotonic clock.
 */
export class Allowance {
  readonly #perMs: number;
  readonly #most: number;
  #left: number;
  #at: number;
  /** Streams that share it. */
  streams = 0;

  /** `perSecond`: rate. `most`: what may be asked for at once after a time of silence. */
  constructor(perSecond: number, most: number, now: number) {
    this.#perMs = perSecond / 1_000;
    this.#most = Math.max(most, perSecond);
    this.#left = this.#most;
    this.#at = now;
  }

  /** Takes so many; returns the time from which the node may go on: `now`, unless more was taken than was there. */
  spend(count: number, now: number): number {
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.#perMs) - count;
    this.#at = now;
    return this.#left >= 0 ? now : now + Math.ceil(-this.#left / this.#perMs);
  }
}
