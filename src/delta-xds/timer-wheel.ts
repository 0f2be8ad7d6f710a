/** One wheel for the timers of all sessions: due times are rounded up to ticks, so ten thousand sessions share a few buckets. */
export class TimerWheel<T> {
  readonly #tickMs: number;
  readonly #buckets = new Map<number, Set<T>>();
  readonly #tickOf = new Map<T, number>();

  /** `tickMs`: coarseness; an item is at most this late. */
  constructor(tickMs = 50) {
    this.#tickMs = tickMs;
  }

  get size(): number {
    return this.#tickOf.size;
  }

  /** Sets or replaces the item's timer. `at`: ms of the caller's clock. */
  schedule(item: T, at: number): void {
    const tick = Math.ceil(at / this.#tickMs);
    if (this.#tickOf.get(item) === tick) return;
    this.cancel(item);
    this.#tickOf.set(item, tick);
    const bucket = this.#buckets.get(tick);
    if (bucket === undefined) this.#buckets.set(tick, new Set([item]));
    else bucket.add(item);
  }

  cancel(item: T): void {
    const tick = this.#tickOf.get(item);
    if (tick === undefined) return;
    this.#tickOf.delete(item);
    const bucket = this.#buckets.get(tick);
    bucket?.delete(item);
    if (bucket?.size === 0) this.#buckets.delete(tick);
  }

  /** Takes out what is due at `now`, earliest first. */
  due(now: number): T[] {
    const last = Math.floor(now / this.#tickMs);
    const ticks = [...this.#buckets.keys()].filter((tick) => tick <= last).sort((a, b) => a - b);
    const items: T[] = [];
    for (const tick of ticks) {
      for (const item of this.#buckets.get(tick) ?? []) {
        this.#tickOf.delete(item);
        items.push(item);
      }
      this.#buckets.delete(tick);
    }
    return items;
  }

  /** When to call `due` next, ms; undefined: nothing is scheduled. */
  next(): number | undefined {
    let first: number | undefined;
    for (const tick of this.#buckets.keys()) if (first === undefined || tick < first) first = tick;
    return first === undefined ? undefined : first * this.#tickMs;
  }
}
