interface Entry<V> {
  readonly value: V | undefined;
  readonly weight: number;
  /** Asked for since it was last at the front. */
  used: boolean;
}

/**
 * Decoded records, oldest first out; one that was asked for meanwhile gets another round. A hit writes nothing but a mark: a change that
 * reaches a thousand streams looks up the same record a thousand times.
 *
 * Bounds: entries, and the sum of their weights; at a bound a sixteenth goes at once, for a Map is walked from its front over all that was
 * deleted there. `undefined` is remembered too: names that do not exist are asked for again and again.
 */
export class RecordCache<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #maxEntries: number;
  readonly #maxWeight: number;
  #weight = 0;
  hits = 0;
  misses = 0;

  constructor(maxEntries: number, maxWeight: number) {
    this.#maxEntries = maxEntries;
    this.#maxWeight = maxWeight;
  }

  get size(): number {
    return this.#entries.size;
  }

  get weight(): number {
    return this.#weight;
  }

  /** The record, from memory or from `read`. */
  get(key: string, read: (key: string) => V | undefined, weigh: (value: V) => number): V | undefined {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.hits++;
      known.used = true;
      return known.value;
    }
    this.misses++;
    const value = read(key);
    const weight = value === undefined ? 1 : weigh(value);
    this.#entries.set(key, { value, weight, used: false });
    this.#weight += weight;
    this.#shrink();
    return value;
  }

  delete(key: string): void {
    const known = this.#entries.get(key);
    if (known === undefined) return;
    this.#weight -= known.weight;
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  #shrink(): void {
    if (this.#entries.size <= this.#maxEntries && this.#weight <= this.#maxWeight) return;
    const [entries, weight] = [
      this.#maxEntries - Math.floor(this.#maxEntries / 16),
      this.#maxWeight - Math.floor(this.#maxWeight / 16),
    ];
    // Ends: an entry moved to the end has lost its mark.
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= entries && this.#weight <= weight) return;
      this.#entries.delete(key);
      if (entry.used) {
        entry.used = false;
        this.#entries.set(key, entry);
      } else this.#weight -= entry.weight;
    }
  }
}
