/** A named table of an environment: keys in order, every value framed with a checksum that each read verifies. */
import { TendrilError } from '../model/basics.ts';
import { CHECKSUM_BYTES, frame, seal, showKey, type TableKey } from './checked-record.ts';
import type { LmdbTable } from './lmdb-root.ts';
import { asDamage, unseal } from './unseal.ts';

export interface RangeOptions<K extends TableKey> {
  /** First key wanted; with `reverse`, the last. */
  readonly start?: K;
  /** Not part of the range. */
  readonly end?: K;
  readonly reverse?: boolean;
  /** Most entries. */
  readonly limit?: number;
}

export interface TableEntry<K extends TableKey> {
  readonly key: K;
  readonly body: Buffer;
}

/** Reads throw `CORRUPT_RECORD` on a checksum mismatch. A read sees what was committed when this turn of the event loop began. */
export interface Table<K extends TableKey> {
  readonly name: string;
  /** The body, in memory of its own. */
  get(key: K): Buffer | undefined;
  /** The body in a buffer that the next read of any table overwrites: copy or decode it at once. Half the price of `get`. */
  peek(key: K): Buffer | undefined;
  has(key: K): boolean;
  /** Entries in key order. The loop must not wait in between: an open one holds a read transaction. */
  range(options?: RangeOptions<K>): Iterable<TableEntry<K>>;
  /** Keys in order, without reading values. */
  keys(options?: RangeOptions<K>): Iterable<K>;
  /** Number of entries; costs nothing. */
  count(): number;
}

/** What one commit writes; handed to the callback of `commit` and of no use afterwards. */
export interface Batch {
  put<K extends TableKey>(table: Table<K>, key: K, body: Uint8Array): void;
  /**
   * Without a copy: `framed` holds the body from byte `CHECKSUM_BYTES` on; its first bytes are written here. It must not change
   * until the commit has ended.
   */
  putFramed<K extends TableKey>(table: Table<K>, key: K, framed: Uint8Array): void;
  remove<K extends TableKey>(table: Table<K>, key: K): void;
}

type LmdbKey = Parameters<LmdbTable['get']>[0];
const lmdbKey = (key: TableKey): LmdbKey => key as LmdbKey;

/** LMDB's bound with pages of 4 KiB, less room for separators. */
const MAX_KEY_BYTES = 1900;

const requireKey = (key: TableKey): void => {
  const parts = Array.isArray(key) ? key : [key];
  const fits =
    parts.length > 0 && parts.every((part) => (typeof part === 'number' ? Number.isFinite(part) : part.length > 0));
  if (fits && (typeof key === 'number' || Buffer.byteLength(showKey(key)) <= MAX_KEY_BYTES)) return;
  throw new TendrilError(
    'INVALID_KEY',
    `a key must be 1 to ${MAX_KEY_BYTES} bytes of text or a number: ${showKey(key).slice(0, 80)}`,
  );
};

/**
 * lmdb-js gives one buffer of 16 MiB with its `length` overridden, or for large values a plain Uint8Array: only a view of our
 * own has the right size and type everywhere.
 */
const viewOf = ({ buffer, byteOffset, length }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, length);

/** `checkOpen` throws when the environment is closed: LMDB would crash. `onDamage` is told of every record that fails its checksum. */
export class LmdbBackedTable<K extends TableKey> implements Table<K> {
  readonly name: string;
  readonly handle: LmdbTable;
  readonly #environment: string;
  readonly #checkOpen: () => void;
  readonly #onDamage: (error: TendrilError) => void;

  constructor(
    name: string,
    handle: LmdbTable,
    environment: string,
    checkOpen: () => void,
    onDamage: (error: TendrilError) => void,
  ) {
    this.#onDamage = onDamage;
    this.name = name;
    this.handle = handle;
    this.#environment = environment;
    this.#checkOpen = checkOpen;
  }

  get(key: K): Buffer | undefined {
    const body = this.peek(key);
    if (body === undefined) return undefined;
    const copy = Buffer.allocUnsafe(body.length);
    body.copy(copy);
    return copy;
  }

  peek(key: K): Buffer | undefined {
    this.#checkOpen();
    try {
      const shared = this.handle.getBinaryFast(lmdbKey(key));
      return shared === undefined ? undefined : unseal(viewOf(shared), key, this.name, this.#environment);
    } catch (error) {
      throw this.#asDamage(error);
    }
  }

  has(key: K): boolean {
    this.#checkOpen();
    try {
      return this.handle.doesExist(lmdbKey(key));
    } catch (error) {
      throw this.#asDamage(error);
    }
  }

  *range(options: RangeOptions<K> = {}): Generator<TableEntry<K>> {
    this.#checkOpen();
    try {
      for (const { key, value } of this.handle.getRange({ ...options } as object)) {
        yield { key: key as K, body: unseal(viewOf(value), key, this.name, this.#environment) };
      }
    } catch (error) {
      throw this.#asDamage(error);
    }
  }

  /** Entries as they are stored, with their checksums, which are not looked at. */
  *framed(options: RangeOptions<K> = {}): Generator<{ readonly key: K; readonly framed: Buffer }> {
    this.#checkOpen();
    try {
      for (const { key, value } of this.handle.getRange({ ...options } as object))
        yield { key: key as K, framed: viewOf(value) };
    } catch (error) {
      throw this.#asDamage(error);
    }
  }

  *keys(options: RangeOptions<K> = {}): Generator<K> {
    this.#checkOpen();
    try {
      for (const key of this.handle.getKeys({ ...options } as object)) yield key as K;
    } catch (error) {
      throw this.#asDamage(error);
    }
  }

  count(): number {
    this.#checkOpen();
    return (this.handle.getStats() as { readonly entryCount: number }).entryCount;
  }

  #asDamage(error: unknown): unknown {
    const damage = asDamage(error, this.name, this.#environment);
    if (damage instanceof TendrilError && damage.code === 'CORRUPT_RECORD') this.#onDamage(damage);
    return damage;
  }
}

type Operation = { readonly table: LmdbTable; readonly key: LmdbKey; readonly value: Uint8Array | undefined };

/** Collects first: a callback that throws leaves nothing half-written. */
export class CollectedBatch implements Batch {
  /** Bytes of keys' values in it. */
  bytes = 0;
  readonly #operations: Operation[] = [];

  put<K extends TableKey>(table: Table<K>, key: K, body: Uint8Array): void {
    this.#add(table, key, frame(key, body));
  }

  putFramed<K extends TableKey>(table: Table<K>, key: K, framed: Uint8Array): void {
    if (framed.length < CHECKSUM_BYTES) throw new RangeError('a framed record has room for its checksum');
    seal(key, framed);
    this.#add(table, key, framed);
  }

  remove<K extends TableKey>(table: Table<K>, key: K): void {
    this.#add(table, key, undefined);
  }

  get size(): number {
    return this.#operations.length;
  }

  /** Hands everything to LMDB's write thread. */
  apply(): void {
    for (const { table, key, value } of this.#operations) {
      // Errors come with the promise of the whole batch.
      if (value === undefined) void table.remove(key);
      else void table.put(key, value as Buffer);
    }
  }

  #add<K extends TableKey>(table: Table<K>, key: K, value: Uint8Array | undefined): void {
    if (!(table instanceof LmdbBackedTable)) throw new TypeError(`table ${table.name} is not of this environment`);
    requireKey(key);
    this.bytes += value?.length ?? 0;
    this.#operations.push({ table: table.handle, key: lmdbKey(key), value });
  }
}
