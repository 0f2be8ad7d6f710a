/**
 * Responses of one resource, composed once: a change of one resource reaches every stream in the same bytes but for the nonce.
 *
 * Sessions share the list of a resource that goes alone (`SharedShapes.alone`), so the list itself is the key.
 * Bound: the last few; under ten changes at a time each has its own.
 */
import type { SentResource } from './effect.ts';
import type { ResourceType } from './resource-type.ts';

const MAX = 16;

interface Composed {
  /** Bytes of the encoded resource. */
  readonly size: number;
  /** The response with an empty nonce. */
  readonly head: Uint8Array;
}

interface Template extends Composed {
  readonly type: ResourceType;
  readonly resources: readonly SentResource[];
  readonly systemVersionInfo: string;
}

export class ResponseTemplates {
  readonly #kept: Template[] = [];
  #next = 0;

  /** `compose` makes what is not there. */
  of(
    type: ResourceType,
    resources: readonly SentResource[],
    systemVersionInfo: string,
    compose: (systemVersionInfo: string) => Composed,
  ): Composed {
    for (const known of this.#kept)
      if (known.resources === resources && known.systemVersionInfo === systemVersionInfo && known.type === type)
        return known;
    const made = { type, resources, systemVersionInfo, ...compose(systemVersionInfo) };
    this.#kept[this.#next] = made;
    this.#next = (this.#next + 1) % MAX;
    return made;
  }
}
