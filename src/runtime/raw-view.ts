/**
 * Raw resources as one node sees them: those put for it, then those put for every node (contracts, "Raw resources").
 */
import { type ResourceBody, type ResourceType, typeUrlOf } from '../delta-xds/index.ts';
import type { ReadModel } from '../projector/index.ts';

const EVERY_NODE = '';
const NONE: readonly string[] = [];

export class RawView {
  readonly #model: ReadModel;
  readonly #node: string;
  /** Union of two lists, by type, remembered with what it was made of: sessions share lists that did not change. */
  readonly #unions = new Map<
    ResourceType,
    { readonly from: readonly [object, object]; readonly names: readonly string[] }
  >();

  constructor(model: ReadModel, node: string) {
    this.#model = model;
    this.#node = node;
  }

  get(type: ResourceType, name: string): ResourceBody | undefined {
    const typeUrl = typeUrlOf(type);
    return this.#model.raw(this.#node, typeUrl, name) ?? this.#model.raw(EVERY_NODE, typeUrl, name);
  }

  /** The node's own label for the type, else that of the resources for every node. */
  label(type: ResourceType): string | undefined {
    const typeUrl = typeUrlOf(type);
    return this.#model.rawSet(this.#node, typeUrl).label ?? this.#model.rawSet(EVERY_NODE, typeUrl).label;
  }

  /** Sorted; the same array again while nothing changed. */
  names(type: ResourceType): readonly string[] {
    const typeUrl = typeUrlOf(type);
    const own = this.#model.rawSet(this.#node, typeUrl).names;
    const shared = this.#model.rawSet(EVERY_NODE, typeUrl).names;
    if (own.length === 0 && shared.length === 0) return NONE;
    const known = this.#unions.get(type);
    if (known?.from[0] === own && known.from[1] === shared) return known.names;
    const names = [...new Set([...own, ...shared])].sort();
    this.#unions.set(type, { from: [own, shared], names });
    return names;
  }
}
