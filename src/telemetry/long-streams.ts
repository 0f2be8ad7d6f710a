/**
 * Streams and connections of one node that have been open for long: those that are logged while they are open.
 *
 * An id is forgotten when nothing was heard of it for three periods, not at its end: applications pass request ids on, so two streams
 * may have one id, and the end of one says nothing of the other. Erring on the side of "still open" is harmless.
 */
import { EDGE_LOG_PERIOD_MS } from '../proto/index.ts';

/** Ids kept; beyond, a stream is taken to be open for ever. */
const MAX_IDS = 1_000;
const FORGET_MS = 3 * EDGE_LOG_PERIOD_MS;

interface Open {
  since: number;
  last: number;
}

export class LongStreams {
  readonly #open = new Map<string, Open>();
  /** Until then it is not known what is open, ms monotonic. */
  #blindUntil = Number.NEGATIVE_INFINITY;

  /** An entry of what goes on. `age`: how long it has been open by the sidecar's clock, ms; `now`: ms, monotonic. */
  note(id: string, age: number, now: number): void {
    const known = this.#open.get(id);
    if (known !== undefined) {
      if (now - known.last <= FORGET_MS) {
        known.last = now;
        known.since = Math.min(known.since, now - age);
        return;
      }
      this.#open.delete(id);
    }
    if (this.#open.size >= MAX_IDS) this.#forget(now);
    if (this.#open.size >= MAX_IDS) this.blind(now);
    // Clocks differ; what it has not been open for is never negative, and the first periodic entry comes after a period.
    else this.#open.set(id, { since: now - Math.max(age, EDGE_LOG_PERIOD_MS), last: now });
  }

  /** Entries were left out: one of them may have told of a stream. */
  blind(now: number): void {
    this.#blindUntil = now + FORGET_MS;
  }

  /** For how long the oldest open one has been open, ms; 0: none; Infinity: not known. */
  longest(now: number): number {
    if (now < this.#blindUntil) return Number.POSITIVE_INFINITY;
    this.#forget(now);
    let longest = 0;
    for (const { since } of this.#open.values()) longest = Math.max(longest, now - since);
    return longest;
  }

  #forget(now: number): void {
    for (const [id, { last }] of this.#open) if (now - last > FORGET_MS) this.#open.delete(id);
  }
}
