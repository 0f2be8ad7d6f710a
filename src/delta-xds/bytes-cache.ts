/**
 * Encoded `Resource` messages, made once for all streams. A virtual host's bytes hold its route configuration's name (in the resource's
 * name), so the name and version identify them.
 *
 * Bound: bytes; beyond it the longest unused go first. Counters: hits, misses, evicted.
 */
import { encodeResource, encodeVirtualHostResource } from '../proto/index.ts';
import { aliasesOf, type SentResource } from './effect.ts';
import { TYPE_URLS_OF } from './request.ts';
import type { ResourceType } from './resource-source.ts';

interface Entry {
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

  /** The encoded resource; kept when its bytes follow from name and version alone. */
  encode(type: ResourceType, resource: SentResource): Uint8Array {
    if (resource.body === undefined || resource.extra.length > 0) return encode(type, resource);
    let names = this.#names.get(type);
    if (names === undefined) {
      names = new Map();
      this.#names.set(type, names);
    }
    const entries = names.get(resource.name);
    if (entries !== undefined)
      for (const entry of entries)
        if (entry.version === resource.version) {
          entry.used = true;
          this.hits++;
          return entry.bytes;
        }
    this.misses++;
    const bytes = encode(type, resource);
    this.#keep(names, entries, { key: resource.name, version: resource.version, bytes, used: false });
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
    while (this.#bytes > this.#maxBytes) {
      const [oldest] = this.#order;
      if (oldest === undefined) break;
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
    for (const names of this.#names.values()) {
      const entries = names.get(entry.key);
      const at = entries?.indexOf(entry) ?? -1;
      if (entries === undefined || at < 0) continue;
      entries.splice(at, 1);
      if (entries.length === 0) names.delete(entry.key);
      return;
    }
  }
}

const encode = (type: ResourceType, resource: SentResource): Uint8Array => {
  const { name, version, body } = resource;
  const aliases = aliasesOf(resource);
  if (type === 'vhds' && body !== undefined) return encodeVirtualHostResource({ name, version, tail: body, aliases });
  return encodeResource({
    name,
    version,
    typeUrl: TYPE_URLS_OF[type],
    aliases,
    ...(body === undefined ? {} : { body }),
  });
};
