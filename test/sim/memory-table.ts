/** A table of a simulated disk: keys in LMDB's order, values framed with a checksum as on a real one. */
import { frame, seal, type TableKey } from '../../src/store/checked-record.ts';
import type { Batch, RangeOptions, Table, TableEntry } from '../../src/store/table.ts';
import { unseal } from '../../src/store/unseal.ts';

const isNumber = (part: TableKey): part is number => typeof part === 'number';

/** Numbers before texts; arrays by their parts. */
const compareParts = (a: number | string, b: number | string): number => {
  if (isNumber(a) !== isNumber(b)) return isNumber(a) ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
};

const compareKeys = (a: TableKey, b: TableKey): number => {
  const left = Array.isArray(a) ? a : [a as number | string];
  const right = Array.isArray(b) ? b : [b as number | string];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const order = compareParts(left[at], right[at]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
};

const idOf = (key: TableKey): string | number => (Array.isArray(key) ? JSON.stringify(key) : (key as string | number));

/** What lies on the disk under a name. */
export class MemoryTable {
  readonly name: string;
  readonly #values = new Map<string | number, Buffer>();
  /** In order. */
  readonly #keys: TableKey[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get size(): number {
    return this.#keys.length;
  }

  get(key: TableKey): Buffer | undefined {
    return this.#values.get(idOf(key));
  }

  /** Undefined removes. */
  set(key: TableKey, framed: Buffer | undefined): void {
    const id = idOf(key);
    const known = this.#values.has(id);
    if (framed !== undefined) {
      this.#values.set(id, framed);
      if (!known) this.#keys.splice(this.#placeOf(key), 0, key);
    } else if (known) {
      this.#values.delete(id);
      this.#keys.splice(this.#placeOf(key), 1);
    }
  }

  keys({ start, end, reverse = false, limit = Number.POSITIVE_INFINITY }: RangeOptions<TableKey> = {}): TableKey[] {
    const low = reverse ? end : start;
    const high = reverse ? start : end;
    // Going up the start belongs to the range and the end does not; going down likewise.
    let from = low === undefined ? 0 : this.#placeOf(low);
    let to = high === undefined ? this.#keys.length : this.#placeOf(high);
    const isAt = (place: number, key: TableKey | undefined): boolean =>
      key !== undefined && place < this.#keys.length && compareKeys(this.#keys[place] as TableKey, key) === 0;
    if (reverse && isAt(from, low)) from++;
    if (reverse && isAt(to, high)) to++;
    const keys = this.#keys.slice(from, Math.max(from, to));
    if (reverse) keys.reverse();
    return limit < keys.length ? keys.slice(0, limit) : keys;
  }

  /** Where the key is, or would be put. */
  #placeOf(key: TableKey): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] as TableKey, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A table as an open environment sees it. */
export class OpenTable<K extends TableKey> implements Table<K> {
  readonly name: string;
  readonly data: MemoryTable;
  readonly #path: string;
  readonly #checkOpen: () => void;

  constructor(data: MemoryTable, path: string, checkOpen: () => void) {
    this.name = data.name;
    this.data = data;
    this.#path = path;
    this.#checkOpen = checkOpen;
  }

  get(key: K): Buffer | undefined {
    const body = this.peek(key);
    return body === undefined ? undefined : Buffer.from(body);
  }

  peek(key: K): Buffer | undefined {
    this.#checkOpen();
    const framed = this.data.get(key);
    return framed === undefined ? undefined : unseal(framed, key, this.name, this.#path);
  }

  has(key: K): boolean {
    this.#checkOpen();
    return this.data.get(key) !== undefined;
  }

  *range(options: RangeOptions<K> = {}): Generator<TableEntry<K>> {
    for (const key of this.keys(options)) yield { key, body: this.peek(key) ?? Buffer.alloc(0) };
  }

  *keys(options: RangeOptions<K> = {}): Generator<K> {
    this.#checkOpen();
    yield* this.data.keys(options) as K[];
  }

  count(): number {
    this.#checkOpen();
    return this.data.size;
  }
}

export interface Operation {
  readonly table: MemoryTable;
  readonly key: TableKey;
  /** Undefined: removed. */
  readonly framed: Buffer | undefined;
}

/** Collects first, as the real one: a callback that throws leaves nothing half-written. */
export class MemoryBatch implements Batch {
  readonly operations: Operation[] = [];
  bytes = 0;

  put<K extends TableKey>(table: Table<K>, key: K, body: Uint8Array): void {
    this.#add(table, key, frame(key, body));
  }

  putFramed<K extends TableKey>(table: Table<K>, key: K, framed: Uint8Array): void {
    seal(key, framed);
    this.#add(table, key, Buffer.from(framed));
  }

  remove<K extends TableKey>(table: Table<K>, key: K): void {
    this.#add(table, key, undefined);
  }

  #add<K extends TableKey>(table: Table<K>, key: K, framed: Buffer | undefined): void {
    if (!(table instanceof OpenTable)) throw new TypeError(`table ${table.name} is not of this environment`);
    this.bytes += framed?.length ?? 0;
    this.operations.push({ table: table.data, key, framed });
  }
}
