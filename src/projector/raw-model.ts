/** Raw resources of the read model (invariants M1 to M3 of read-model.ts): its owner syncs before every call and names what changed. */
import { compareText, rawKey, rawSetKey } from '../model/index.ts';
import type { Table } from '../store/index.ts';
import { RecordCache } from './record-cache.ts';
import { decodeResource } from './records.ts';
import type { ModelTables } from './state-tables.ts';
import type { RawSet, StoredResource } from './types.ts';

const MAX_SETS = 20_000;
/** Of all sets in memory together. */
const MAX_NAMES = 200_000;
/** Key of a raw resource in memory and in the journal: this, then `rawKey`. */
const RAW = 'raw|';
const NONE: RawSet = { names: [] };

const one = (): number => 1;

/** Keys of a set: its names follow a bar, and `}` is the character behind that. */
const rangeOf = (set: string) => ({ start: `${set}|`, end: `${set}}` });

const hasKeys = (table: Table<string>, range = {}): boolean => {
  for (const _key of table.keys({ ...range, limit: 1 })) return true;
  return false;
};

export class RawModel {
  readonly #tables: () => ModelTables;
  readonly #resources: RecordCache<StoredResource>;
  readonly #weigh: (resource: StoredResource) => number;
  readonly #sets = new RecordCache<RawSet>(MAX_SETS, MAX_NAMES);
  /** Sets that have a resource. */
  readonly #some = new RecordCache<true>(MAX_SETS, MAX_SETS);
  /** False: there are no raw resources and no labels at all. Undefined: not looked since the last commit. */
  #any: boolean | undefined;

  /** @param resources shared with compiled ones; the owner deletes keys that the journal names */
  constructor(
    tables: () => ModelTables,
    resources: RecordCache<StoredResource>,
    weigh: (resource: StoredResource) => number,
  ) {
    this.#tables = tables;
    this.#resources = resources;
    this.#weigh = weigh;
  }

  /** There are raw resources, or labels of them. */
  get any(): boolean {
    return this.#hasAny();
  }

  resource(node: string, typeUrl: string, name: string): StoredResource | undefined {
    if (!this.#hasAny()) return undefined;
    // Nearly all nodes and types have none; looking for one is cheaper than to remember every name that is not there.
    const set = rawSetKey(node, typeUrl);
    if (this.#some.get(set, this.#lookForOne, one) === undefined) return undefined;
    return this.#resources.get(`${RAW}${rawKey({ node, typeUrl, name })}`, this.#readResource, this.#weigh);
  }

  set(node: string, typeUrl: string): RawSet {
    if (!this.#hasAny()) return NONE;
    return this.#sets.get(rawSetKey(node, typeUrl), this.#readSet, ({ names }) => names.length + 1) ?? NONE;
  }

  /** There is another commit. */
  moved(): void {
    this.#any = undefined;
  }

  /** Names or label of a set changed. @param key as `rawSetKey` gives it */
  forgetSet(key: string): void {
    this.#sets.delete(key);
    this.#some.delete(key);
  }

  clear(): void {
    this.#sets.clear();
    this.#some.clear();
  }

  #hasAny(): boolean {
    const { raw, rawLabel } = this.#tables();
    this.#any ??= hasKeys(raw) || hasKeys(rawLabel);
    return this.#any;
  }

  readonly #lookForOne = (set: string): true | undefined =>
    hasKeys(this.#tables().raw, rangeOf(set)) ? true : undefined;

  readonly #readResource = (key: string): StoredResource | undefined => {
    const bytes = this.#tables().raw.peek(key.slice(RAW.length));
    return bytes === undefined ? undefined : decodeResource(bytes);
  };

  readonly #readSet = (key: string): RawSet | undefined => {
    const { raw, rawLabel } = this.#tables();
    const label = rawLabel.get(key)?.toString();
    const names = [...raw.keys(rangeOf(key))].map((found) => found.slice(key.length + 1));
    if (names.length === 0 && label === undefined) return undefined;
    // The table is in order of UTF-8.
    return { names: names.sort(compareText), ...(label === undefined ? {} : { label }) };
  };
}
