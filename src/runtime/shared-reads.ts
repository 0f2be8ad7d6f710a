/**
 * What the views of all nodes look up again and again, by names that sessions share: parsed cluster names, and the resource that a
 * namespace sees under a name. The read model remembers the same by keys that must be put together for every look.
 *
 * Bound: entries; at the bound all are forgotten. Bodies are of one commit: with the next they are forgotten.
 */
import { resourceKey } from '../compile/index.ts';
import type { ResourceBody } from '../delta-xds/index.ts';
import { type ClusterName, parseClusterName } from '../model/index.ts';
import type { ReadModel } from '../projector/index.ts';

const MAX_NAMES = 50_000;
const MAX_BODIES = 20_000;

export class SharedReads {
  readonly #model: ReadModel;
  readonly #names = new Map<string, ClusterName | undefined>();
  /** By namespace, then type, then name. */
  readonly #bodies = new Map<string, Map<string, Map<string, ResourceBody | undefined>>>();
  #size = 0;
  #epoch = -1;

  constructor(model: ReadModel) {
    this.#model = model;
  }

  clusterName(name: string): ClusterName | undefined {
    const known = this.#names.get(name);
    if (known !== undefined || this.#names.has(name)) return known;
    if (this.#names.size >= MAX_NAMES) this.#names.clear();
    const parsed = parseClusterName(name);
    this.#names.set(name, parsed);
    return parsed;
  }

  /** The namespace's own variant of a resource, else the one for all. */
  body(namespace: string, type: string, name: string): ResourceBody | undefined {
    const epoch = this.#model.epoch();
    if (epoch !== this.#epoch || this.#size >= MAX_BODIES) {
      this.#bodies.clear();
      this.#size = 0;
      this.#epoch = epoch;
    }
    const bodies = this.#tableOf(namespace, type);
    const known = bodies.get(name);
    if (known !== undefined || bodies.has(name)) return known;
    const body =
      this.#model.resource(resourceKey(type, `ns:${namespace}`, name)) ??
      this.#model.resource(resourceKey(type, '', name));
    bodies.set(name, body);
    this.#size++;
    return body;
  }

  #tableOf(namespace: string, type: string): Map<string, ResourceBody | undefined> {
    let types = this.#bodies.get(namespace);
    if (types === undefined) {
      types = new Map();
      this.#bodies.set(namespace, types);
    }
    let bodies = types.get(type);
    if (bodies === undefined) {
      bodies = new Map();
      types.set(type, bodies);
    }
    return bodies;
  }
}
