/**
 * Bodies of resources, packed one behind the other: a thousand services are three thousand bodies of some hundred bytes, and a buffer of
 * its own costs each of them more than that. A slab is freed with the last body in it. What changes often fills slabs of its own kind
 * only, so those of what stays are not kept half empty.
 */
import type { HeldResource } from './config-source.ts';

const SLAB_BYTES = 8_192;
/** A larger body has a buffer of its own. */
const MAX_PACKED_BYTES = 2_048;

export class BodySlabs {
  #slab = new Uint8Array(0);
  #used = 0;

  /** Copies a body; gives where it is now. */
  pack(body: Uint8Array): { readonly slab: Uint8Array; readonly start: number } {
    if (body.length > MAX_PACKED_BYTES) return { slab: new Uint8Array(body), start: 0 };
    if (this.#used + body.length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    this.#slab.set(body, start);
    this.#used += body.length;
    return { slab: this.#slab, start };
  }
}

/** A resource held with its body. `body` is another view of the same bytes each time. */
export class HeldBody<T> implements HeldResource {
  readonly name: string;
  readonly version: string;
  /** What the session reads out of it. */
  value: T;
  readonly #slab: Uint8Array;
  readonly #start: number;
  readonly #length: number;

  constructor({ name, version, body }: HeldResource, value: T, slabs: BodySlabs) {
    this.name = name;
    this.version = version;
    this.value = value;
    const { slab, start } = slabs.pack(body);
    this.#slab = slab;
    this.#start = start;
    this.#length = body.length;
  }

  get body(): Uint8Array {
    return this.#slab.subarray(this.#start, this.#start + this.#length);
  }

  get resource(): HeldResource {
    return this;
  }
}
