/**
 * Keys with several values each. Nearly all keys have one value or a few, and there are very many: one is kept as itself, a few in
 * an array, only many in a Set (216 bytes when empty).
 */
const FEW = 8;

type Values<T> = T | readonly T[] | Set<T>;

/** @typeParam T no array and no Set */
export class Multimap<T extends object> {
  readonly #map = new Map<string, Values<T>>();

  /** Keys with a value. */
  get size(): number {
    return this.#map.size;
  }

  /** Puts a value; it is there once. */
  put(key: string, value: T): void {
    const values = this.#map.get(key);
    if (values === undefined) this.#map.set(key, value);
    else if (values instanceof Set) values.add(value);
    else if (isList(values)) {
      if (values.includes(value)) return;
      // `concat` makes an array of just that size; `push` and spreading leave room for sixteen more.
      this.#map.set(key, values.length < FEW ? values.concat([value]) : new Set([...values, value]));
    } else if (values !== value) this.#map.set(key, [values, value]);
  }

  take(key: string, value: T): void {
    const values = this.#map.get(key);
    if (values === undefined) return;
    if (values instanceof Set) {
      values.delete(value);
      if (values.size === 0) this.#map.delete(key);
    } else if (isList(values)) {
      if (!values.includes(value)) return;
      if (values.length === 1) this.#map.delete(key);
      else
        this.#map.set(
          key,
          values.filter((other) => other !== value),
        );
    } else if (values === value) this.#map.delete(key);
  }

  /** The values of a key; not to be kept while it changes. */
  of(key: string): Iterable<T> {
    const values = this.#map.get(key);
    if (values === undefined) return NONE;
    return values instanceof Set || isList(values) ? values : [values];
  }
}

const NONE: readonly never[] = [];

const isList = <T extends object>(values: Values<T>): values is readonly T[] => Array.isArray(values);
