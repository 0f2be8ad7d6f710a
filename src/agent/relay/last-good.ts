/**
 * What the Envoys of one node last held and acknowledged: in memory, and on disk behind a store. Secrets stay in memory.
 *
 * Bounds: bytes per node, and of all nodes through a budget; what does not fit is not kept, and counted.
 */
import { SDS } from '../../proto/index.ts';
import type { CopyTimes } from './age.ts';
import type { RelayForm } from './effect.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { type RawResource, readResource } from './wire.ts';

/** What a session reads. */
export interface LastGoodView {
  /** Resources of all types. */
  readonly size: number;
  get(typeUrl: string, name: string): RawResource | undefined;
  /** By its name or by one of its aliases. */
  find(typeUrl: string, asked: string): RawResource | undefined;
  all(typeUrl: string): Iterable<RawResource>;
}

/** Where it is kept beyond the process: called for every change, reads at once. */
export interface LastGoodStore {
  load(node: string): Iterable<{ readonly typeUrl: string; readonly raw: Uint8Array }>;
  put(node: string, typeUrl: string, name: string, raw: Uint8Array): void;
  remove(node: string, typeUrl: string, name: string): void;
  /** Undefined: none are recorded. */
  times(node: string): CopyTimes | undefined;
  setTimes(node: string, times: CopyTimes): void;
}

/** Bytes of all resources of one node. */
const MAX_NODE_BYTES = 64 * 2 ** 20;

const copyOf = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes);

export interface LastGoodOptions {
  readonly store?: LastGoodStore | undefined;
  /** An Envoy that speaks the state of the world gets other resources than one that speaks delta: kept apart. */
  readonly form?: RelayForm;
  /** Of all nodes together; undefined: without such a bound. */
  readonly budget?: MemoryBudget;
  /** Bytes of all resources, default 64 MiB. */
  readonly maxBytes?: number;
}

/** Under which name a node's copy lies in the store. */
export const keyOf = (node: string, form: RelayForm): string => (form === 'delta' ? node : `sotw:${node}`);

export class LastGood implements LastGoodView {
  readonly node: string;
  readonly form: RelayForm;
  readonly key: string;
  readonly #types = new Map<string, Map<string, RawResource>>();
  /** Type, then alias -> name. */
  readonly #aliases = new Map<string, Map<string, string>>();
  readonly #store: LastGoodStore | undefined;
  readonly #budget: MemoryBudget | undefined;
  readonly #maxBytes: number;
  /** The store has more of it than there was room for. */
  #partial = false;
  size = 0;
  bytes = 0;
  /** Resources that did not fit. */
  notKept = 0;
  /** When a control plane stood behind it for the last time, Unix time in ms; undefined: not known. */
  confirmedAt: number | undefined;

  constructor(node: string, { store, form = 'delta', budget, maxBytes = MAX_NODE_BYTES }: LastGoodOptions = {}) {
    this.node = node;
    this.form = form;
    this.key = keyOf(node, form);
    this.#store = store;
    this.#budget = budget;
    this.#maxBytes = maxBytes;
    this.confirmedAt = store?.times(this.key)?.confirmedAt;
    for (const { typeUrl, raw } of store?.load(this.key) ?? [])
      if (this.#hasRoom(raw.length)) this.#set(typeUrl, readResource(copyOf(raw)));
      else {
        this.#partial = true;
        this.notKept++;
      }
  }

  get(typeUrl: string, name: string): RawResource | undefined {
    return this.#types.get(typeUrl)?.get(name);
  }

  find(typeUrl: string, asked: string): RawResource | undefined {
    return this.get(typeUrl, asked) ?? this.get(typeUrl, this.#aliases.get(typeUrl)?.get(asked) ?? '');
  }

  all(typeUrl: string): Iterable<RawResource> {
    return this.#types.get(typeUrl)?.values() ?? [];
  }

  /** An Envoy has acknowledged it. One without body is no configuration and is not kept. */
  keep(typeUrl: string, resource: RawResource): void {
    const before = this.get(typeUrl, resource.name);
    // A name that does not exist never replaces a virtual host that is there (envoy-wire2, section 0, fact 4).
    if (!resource.hasBody) return;
    const same = before !== undefined && Buffer.compare(before.raw, resource.raw) === 0;
    if (same) return;
    // An older one would not be what Envoy holds.
    this.drop(typeUrl, resource.name);
    if (resource.raw.length === 0 || !this.#hasRoom(resource.raw.length)) {
      this.notKept++;
      return;
    }
    const raw = copyOf(resource.raw);
    this.#set(typeUrl, { ...resource, raw });
    if (typeUrl !== SDS) this.#store?.put(this.key, typeUrl, resource.name, raw);
  }

  drop(typeUrl: string, name: string): void {
    if (!this.#delete(typeUrl, name) && !this.#partial) return;
    if (typeUrl !== SDS) this.#store?.remove(this.key, typeUrl, name);
  }

  /** An Envoy of this node is connected; `confirmed`: to a control plane, through the relay. */
  seen(now: number, confirmed: boolean): void {
    if (confirmed) this.confirmedAt = now;
    if (this.size > 0 || this.#partial) this.#store?.setTimes(this.key, { seenAt: now, confirmedAt: this.confirmedAt });
  }

  /** It leaves memory; the copy in the store stays. */
  release(): void {
    this.#budget?.give(this.bytes);
    this.bytes = 0;
    this.size = 0;
    this.#types.clear();
    this.#aliases.clear();
  }

  /** Takes the bytes if so. */
  #hasRoom(bytes: number): boolean {
    return this.bytes + bytes <= this.#maxBytes && (this.#budget?.take(bytes) ?? true);
  }

  /** Its room is taken already, and nothing of its name is there. */
  #set(typeUrl: string, resource: RawResource): void {
    const names = this.#types.get(typeUrl) ?? new Map<string, RawResource>();
    this.#types.set(typeUrl, names.set(resource.name, resource));
    const aliases = this.#aliases.get(typeUrl) ?? new Map<string, string>();
    this.#aliases.set(typeUrl, aliases);
    for (const alias of resource.aliases) aliases.set(alias, resource.name);
    this.size++;
    this.bytes += resource.raw.length;
  }

  #delete(typeUrl: string, name: string): boolean {
    const resource = this.get(typeUrl, name);
    if (resource === undefined) return false;
    this.#types.get(typeUrl)?.delete(name);
    const aliases = this.#aliases.get(typeUrl);
    for (const alias of resource.aliases) if (aliases?.get(alias) === name) aliases.delete(alias);
    this.size--;
    this.bytes -= resource.raw.length;
    this.#budget?.give(resource.raw.length);
    return true;
  }
}
