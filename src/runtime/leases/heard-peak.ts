/**
 * How many leases of a service were heard at one time lately: the measure of whether those that are heard now are what is usual. Pure.
 *
 * Invariants:
 * H1 The peak is no less than what was heard at any one time in the last `PEAK_MS`; what is much older than twice that is
 *    forgotten.
 *    Of the time between two notes in which nobody was heard nothing counts.
 * H2 Where nothing was noted lately every lease that is known counts as heard, also one that has run out: what is not known makes
 *    nobody expire.
 */

/** A peak counts for at least so long, and at most twice as long, ms. */
export const PEAK_MS = 1_800_000;

interface Span {
  readonly from: number;
  /** Since `from`, and in the span before. */
  readonly most: number;
  readonly before: number;
  readonly notedAt: number;
}

export class HeardPeaks {
  /** By service, those noted last at the end; of services with overdue leases only. */
  readonly #spans = new Map<string, Span>();

  /**
   * The peak, with what was heard since the service was noted last.
   *
   * @param heardSince how many were heard at some time in the last so many ms; all, those that ran out among them, when it is Infinity
   */
  note(service: string, at: number, heardSince: (ms: number) => number): number {
    const known = this.#spans.get(service);
    const span = known === undefined || at - known.notedAt > PEAK_MS ? undefined : known;
    const heard = heardSince(span === undefined ? Number.POSITIVE_INFINITY : at - span.notedAt);
    let next: Span;
    if (span !== undefined && heard === 0) next = { ...span, from: span.from + at - span.notedAt, notedAt: at };
    else if (span === undefined) next = { from: at, most: heard, before: 0, notedAt: at };
    else if (at - span.from >= PEAK_MS) next = { from: at, most: heard, before: span.most, notedAt: at };
    else next = { ...span, most: Math.max(span.most, heard), notedAt: at };
    this.#spans.delete(service);
    this.#spans.set(service, next);
    for (const [name, { notedAt }] of this.#spans) {
      if (at - notedAt <= PEAK_MS) break;
      this.#spans.delete(name);
    }
    return Math.max(next.most, next.before);
  }

  clear(): void {
    this.#spans.clear();
  }
}
