/**
 * Encoded resources, made once for all streams: `Resource` messages for delta, `Any` for the state of the world. A virtual host's bytes hold its route configuration's name (in the resource's
 * name), so the name and version identify them.
 *
 * Bound: bytes; beyond it the longest unused go first. Counters: hits, misses, evicted.
 */
import { encodeAny, encodeResource, encodeVirtualHostResource } from '../proto/index.ts';
import { aliasesOf, type SentResource } from './effect.ts';
import { type ResourceType, typeUrlOf } from './resource-type.ts';

interface Entry {
  /** The table it stands in. */
  readonly names: Map<string, Entry[]>;
  readonly key: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  used: boolean;
}

/** Variants of one name that are kept side by side. */
const MAX_VERSIONS = 8;
/** Entry, key and map slots, bytes. */
const ENTRY_OVERHEAD = 200;

export class BytesCache {
  readonly #maxBytes: number;
  /** Entries per type and name, newest last. */
  readonly #names = new Map<ResourceType, Map<string, Entry[]>>();
  readonly #stateNames = new Map<ResourceType, Map<string, Entry[]>>();
  /** All entries, oldest first; used ones get another round. */
  readonly #order = new Set<Entry>();
  #bytes = 0;
  hits = 0;
  misses = 0;
  evicted = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The encoded `Resource` (delta); kept when its bytes follow from name and version alone. */
  encode(type: ResourceType, resource: SentResource): Uint8Array {
    if (resource.body === undefined || resource.extra.length > 0) return encode(type, resource);
    return this.#get(tableOf(this.#names, type), resource, encode, type);
  }

  /** The encoded `Any` (state of the world). */
  encodeState(type: ResourceType, resource: SentResource): Uint8Array {
    return this.#get(tableOf(this.#stateNames, type), resource, encodeState, type);
  }

  #get(
    names: Map<string, Entry[]>,
    resource: SentResource,
    make: (type: ResourceType, resource: SentResource) => Uint8Array,
    type: ResourceType,
  ): Uint8Array {
    const entries = names.get(resource.name);
    if (entries !== undefined)
      for (const entry of entries)
        if (entry.version === resource.version) {
          entry.used = true;
          this.hits++;
          return entry.bytes;
        }
    this.misses++;
    const made = make(type, resource);
    // A slice of a shared piece of memory would keep all of that alive.
    const bytes = made.buffer.byteLength > made.length ? new Uint8Array(made) : made;
    this.#keep(names, entries, { names, key: resource.name, version: resource.version, bytes, used: false });
    return bytes;
  }

  #keep(names: Map<string, Entry[]>, entries: Entry[] | undefined, entry: Entry): void {
    if (entry.bytes.length + ENTRY_OVERHEAD > this.#maxBytes / 4) return;
    if (entries === undefined) names.set(entry.key, [entry]);
    else {
      entries.push(entry);
      if (entries.length > MAX_VERSIONS) {
        const oldest = entries.shift();
        if (oldest !== undefined && this.#order.delete(oldest)) this.#bytes -= oldest.bytes.length + ENTRY_OVERHEAD;
      }
    }
    this.#order.add(entry);
    this.#bytes += entry.bytes.length + ENTRY_OVERHEAD;
    if (this.#bytes > this.#maxBytes) this.#shrink();
  }

  /** Some at once: a Set is walked from its front over all that was deleted there. */
  #shrink(): void {
    const bytes = this.#maxBytes - this.#maxBytes / 16;
    for (const oldest of this.#order) {
      if (this.#bytes <= bytes) return;
      this.#order.delete(oldest);
      if (oldest.used) {
        oldest.used = false;
        this.#order.add(oldest);
      } else this.#evict(oldest);
    }
  }

  #evict(entry: Entry): void {
    this.#bytes -= entry.bytes.length + ENTRY_OVERHEAD;
    this.evicted++;
    const entries = entry.names.get(entry.key);
    const at = entries?.indexOf(entry) ?? -1;
    if (entries === undefined || at < 0) return;
    entries.splice(at, 1);
    if (entries.length === 0) entry.names.delete(entry.key);
  }
}

const tableOf = (tables: Map<ResourceType, Map<string, Entry[]>>, type: ResourceType): Map<string, Entry[]> => {
  let names = tables.get(type);
  if (names === undefined) {
    names = new Map();
    tables.set(type, names);
  }
  return names;
};

const encodeState = (type: ResourceType, { body }: SentResource): Uint8Array =>
  encodeAny(typeUrlOf(type), body ?? new Uint8Array(0));

const encode = (type: ResourceType, resource: SentResource): Uint8Array => {
  const { name, version, body } = resource;
  const aliases = aliasesOf(resource);
  if (type === 'vhds' && body !== undefined) return encodeVirtualHostResource({ name, version, tail: body, aliases });
  return encodeResource({
    name,
    version,
    typeUrl: typeUrlOf(type),
    aliases,
    ...(body === undefined ? {} : { body }),
  });
};
