/**
 * How long the keeper of edges has been silent, as the log tells: that it began its term is a sign of life.
 *
 * Two replicas that hear each other by the log alone would begin terms in turns for ever: each term in a row of a keeper that nobody heard
 * doubles the wait, up to 2^7.
 */
const MAX_DOUBLINGS = 7;

export class Terms {
  #epoch = 0;
  /** When it was first seen, ms. */
  #at = 0;
  /** In a row, of keepers that were not heard. */
  #unheard = 0;

  /** @param isHeard whether its keeper answers; undefined: it did, and does not now */
  note(epoch: number, isHeard: boolean | undefined, now: number): void {
    if (isHeard === true) this.#unheard = 0;
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#at = now;
    if (isHeard === false) this.#unheard += 1;
  }

  /** How many times longer a keeper of the newest term is waited for. */
  get patience(): number {
    return 2 ** Math.min(this.#unheard, MAX_DOUBLINGS);
  }

  /** Of the keeper of the newest term. */
  silentMs(now: number): number {
    return (now - this.#at) / this.patience;
  }
}
