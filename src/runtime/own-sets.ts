/**
 * Own resources of nodes (listeners, clusters of their applications), memoised by their inputs. What is kept of each is its version: the
 * bytes, 12 KB a node, are sent once in the life of a stream, and are the same whenever they are made again.
 */
import { compileOwn, type OwnInputs, type OwnResource } from '../compile/index.ts';

export interface OwnSet {
  readonly listeners: ReadonlyMap<string, OwnResource>;
  readonly clusters: ReadonlyMap<string, OwnResource>;
  readonly names: { readonly lds: readonly string[]; readonly cds: readonly string[] };
}

/** Sets kept for nodes that come back, or have the same inputs. */
const MAX_SETS = 2_000;
/** Bodies kept: those of the sets made last, which are about to be sent. */
const MAX_BODIES = 256;

/** One resource; its body is made again when it is no longer at hand. */
class LeanResource implements OwnResource {
  readonly #sets: OwnSets;
  readonly #inputs: OwnInputs;
  readonly version: string;

  constructor(sets: OwnSets, inputs: OwnInputs, version: string) {
    this.#sets = sets;
    this.#inputs = inputs;
    this.version = version;
  }

  get body(): Uint8Array {
    return this.#sets.body(this.version, this.#inputs);
  }
}

export class OwnSets {
  readonly #sets = new Map<string, OwnSet>();
  readonly #bodies = new Map<string, Uint8Array>();
  /** Counter: bodies that were made again. */
  made = 0;

  get(inputs: OwnInputs): OwnSet {
    const key = JSON.stringify(inputs);
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const { listeners, clusters } = compileOwn(inputs);
    const lean = (resources: ReadonlyMap<string, OwnResource>): ReadonlyMap<string, OwnResource> =>
      new Map(
        [...resources].map(([name, { version, body }]) => {
          this.#keep(version, body);
          return [name, new LeanResource(this, inputs, version)];
        }),
      );
    const set = {
      listeners: lean(listeners),
      clusters: lean(clusters),
      names: { lds: [...listeners.keys()], cds: [...clusters.keys()] },
    };
    put(this.#sets, MAX_SETS, key, set);
    return set;
  }

  /** The body of this version, which these inputs have. */
  body(version: string, inputs: OwnInputs): Uint8Array {
    const kept = this.#bodies.get(version);
    if (kept !== undefined) return kept;
    this.made++;
    const { listeners, clusters } = compileOwn(inputs);
    for (const resource of [...listeners.values(), ...clusters.values()]) this.#keep(resource.version, resource.body);
    const body = this.#bodies.get(version);
    if (body === undefined) throw new Error(`own resources of ${inputs.caller} are not what they were`);
    return body;
  }

  #keep(version: string, body: Uint8Array): void {
    // A slice of a shared piece of memory would keep all of that alive.
    if (!this.#bodies.has(version)) put(this.#bodies, MAX_BODIES, version, new Uint8Array(body));
  }
}

/** The oldest makes room. */
const put = <T>(table: Map<string, T>, max: number, key: string, value: T): void => {
  if (table.size >= max) {
    const [oldest] = table.keys();
    if (oldest !== undefined) table.delete(oldest);
  }
  table.set(key, value);
};
