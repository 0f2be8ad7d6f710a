/**
 * What the node should hold: what its edges preload, what it asked for, what it held when the stream began. Everything is by canonical
 * service port; clusters follow from them.
 */
import { Generation } from './generation.ts';
import type { NodeView, PreloadStep } from './resource-source.ts';
import type { SharedShapes } from './shapes.ts';

export class Demand {
  readonly generations = new Map<string, Generation>();
  readonly #view: NodeView;
  readonly #shapes: SharedShapes;
  #preload: readonly string[];

  constructor(view: NodeView, shapes: SharedShapes) {
    this.#view = view;
    this.#shapes = shapes;
    this.#preload = view.preload();
  }

  get preload(): readonly string[] {
    return this.#preload;
  }

  preloads(servicePort: string): boolean {
    return this.#view.preloads?.(servicePort) ?? this.#shapes.setOf(this.#preload).has(servicePort);
  }

  /** Reads the preload list again; returns what came and what went. */
  refresh(): PreloadStep {
    const before = this.#preload;
    const after = this.#view.preload();
    if (before === after) return { came: [], went: [] };
    this.#preload = after;
    const step = this.#view.preloadStep?.(before, after) ?? this.#compare(before, after);
    // What its edges bring is no longer held for old times' sake: when the edge goes, it goes.
    for (const { adopted } of this.generations.values()) for (const name of step.came) adopted.delete(name);
    return step;
  }

  #compare(before: readonly string[], after: readonly string[]): PreloadStep {
    const old = this.#shapes.setOf(before);
    const now = this.#shapes.setOf(after);
    return { came: after.filter((name) => !old.has(name)), went: before.filter((name) => !now.has(name)) };
  }

  /** The generation of this name, made if new; undefined at the bound `max`. */
  open(routeConfiguration: string, max: number): Generation | undefined {
    let generation = this.generations.get(routeConfiguration);
    if (generation === undefined && this.generations.size < max) {
      generation = new Generation(this.#shapes.text(routeConfiguration));
      this.generations.set(generation.routeConfiguration, generation);
    }
    return generation;
  }

  /** True when the virtual host of this service port belongs under this route configuration. `wildcard`: of the VHDS subscription. */
  wants(generation: Generation, servicePort: string, wildcard: boolean): boolean {
    if (generation.asks(servicePort)) return true;
    if (!wildcard || generation.declined.has(servicePort)) return false;
    return this.preloads(servicePort) || generation.adopted.has(servicePort);
  }

  /** Some route configuration of the node, or its preload list, wants the service port. */
  wantsSomewhere(servicePort: string): boolean {
    if (this.preloads(servicePort)) return true;
    for (const generation of this.generations.values())
      if (generation.asks(servicePort) || generation.adopted.has(servicePort)) return true;
    return false;
  }

  /** The service port that the cluster is named after is wanted and uses it. False: some other one still may. */
  needsByName(cluster: string): boolean {
    const servicePort = portOf(cluster);
    return this.wantsSomewhere(servicePort) && this.#view.clustersOf(servicePort).includes(cluster);
  }

  /** Service ports that some route configuration of the node, or its preload list, wants. */
  wanted(): Set<string> {
    const wanted = new Set(this.#preload);
    for (const generation of this.generations.values()) {
      for (const name of generation.ports) wanted.add(name);
      for (const name of generation.adopted.all) wanted.add(name);
    }
    return wanted;
  }

  /** The same, some of them several times. */
  *wantedPorts(): Iterable<string> {
    yield* this.#preload;
    for (const generation of this.generations.values()) {
      yield* generation.ports;
      yield* generation.adopted.all;
    }
  }

  /** Clusters that the wanted service ports and the node's own listeners need, as of now. */
  clusters(): Set<string> {
    const needed = new Set(this.#view.own('cds'));
    for (const name of this.wanted()) for (const cluster of this.#view.clustersOf(name)) needed.add(cluster);
    return needed;
  }

  /** Hosts asked for, over all route configurations. */
  get hosts(): number {
    let hosts = 0;
    for (const generation of this.generations.values()) hosts += generation.hosts.size;
    return hosts;
  }

  /** Asked hosts without an answer, over all route configurations. */
  get waiting(): number {
    let waiting = 0;
    for (const generation of this.generations.values()) waiting += generation.waiting;
    return waiting;
  }
}

/** A cluster's name without its subset. */
export const portOf = (cluster: string): string => {
  const slash = cluster.indexOf('/');
  return slash < 0 ? cluster : cluster.slice(0, slash);
};
