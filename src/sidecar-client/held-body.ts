/**
 * Resources held with their bodies, which are packed one behind the other: a thousand services are three thousand bodies of some hundred
 * bytes, and a buffer of its own costs each of them more than that. A slab is freed with the last body in it. What changes often fills
 * slabs of its own kind only, so those of what stays are not kept half empty.
 */
import type { HeldResource } from './config-source.ts';
import type { DecodedCluster, DecodedHost } from './decode.ts';
import { readHostNames, targetsOf } from './read-resource.ts';

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

/** `body` is another view of the same bytes each time. */
class HeldBody implements HeldResource {
  readonly name: string;
  readonly version: string;
  readonly #slab: Uint8Array;
  readonly #start: number;
  readonly #length: number;

  constructor({ name, version, body }: HeldResource, slabs: BodySlabs) {
    this.name = name;
    this.version = version;
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

export class HeldCluster extends HeldBody implements DecodedCluster {
  readonly eds: string | undefined;

  constructor(resource: HeldResource, { eds }: DecodedCluster, slabs: BodySlabs) {
    super(resource, slabs);
    this.eds = eds;
  }

  get value(): DecodedCluster {
    return this;
  }
}

/** Its endpoints are read out of the body where they are used. */
export class HeldAssignment extends HeldBody {
  get value(): undefined {
    return undefined;
  }
}

/** Domains are kept until `settle`, and read where they are used then, as targets are, whose damage is thrown there. */
export class HeldHost extends HeldBody implements DecodedHost {
  #domains: readonly string[] | undefined;

  constructor(resource: HeldResource, { domains }: Pick<DecodedHost, 'domains'>, slabs: BodySlabs) {
    super(resource, slabs);
    this.#domains = domains;
  }

  get value(): DecodedHost {
    return this;
  }

  get domains(): readonly string[] {
    return this.#domains ?? readHostNames(this.body).domains;
  }

  settle(): void {
    this.#domains = undefined;
  }

  get targets(): DecodedHost['targets'] {
    return targetsOf(this.body);
  }
}
