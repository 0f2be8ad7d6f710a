/** From changed inputs to the changes of the read model: resources, catalog, callers. */
import type { EndpointView } from '../compile/index.ts';
import { DependencyGraph } from '../dependency-graph/index.ts';
import { CatalogDeriver, type StoredCatalog } from './catalog-deriver.ts';
import { DerivedChanges } from './changes.ts';
import type { EndpointChange, FoldState } from './fold/types.ts';
import { RawDeriver } from './raw-deriver.ts';
import { ResourceDeriver, type ResourceDeriverOptions } from './resource-deriver.ts';

export interface DeriverOptions extends Omit<ResourceDeriverOptions, 'inputs'> {
  readonly fold: FoldState;
  readonly stored: StoredCatalog;
}

/** Keys of everything that is stored in the read model. */
export interface StoredKeys {
  resources(): Iterable<string>;
  services(): Iterable<string>;
  hosts(): Iterable<string>;
  endpoints(): Iterable<string>;
  callers(): Iterable<string>;
  units(): Iterable<string>;
  /** Raw resources. */
  raws(): Iterable<string>;
  /** Sets of raw resources with a label. */
  rawLabels(): Iterable<string>;
}

export class Deriver {
  readonly resources: ResourceDeriver;
  readonly graph: DependencyGraph;
  readonly #fold: FoldState;
  readonly #catalog: CatalogDeriver;
  readonly #raw: RawDeriver;

  constructor(options: DeriverOptions) {
    this.#fold = options.fold;
    this.graph = new DependencyGraph(options.fold.graphLookup);
    this.resources = new ResourceDeriver({ ...options, inputs: options.fold.compileInputs });
    this.#catalog = new CatalogDeriver(options.fold, this.graph, options.stored);
    this.#raw = new RawDeriver(options.fold, options.stored);
  }

  /** The fold has been loaded: brings the graph's indexes up to it. Derives nothing. */
  loaded(): void {
    for (const caller of this.#fold.callersWithEdges()) this.graph.setEdges(caller, this.#fold.edges(caller));
    this.graph.affected(this.#fold.graphInputs());
  }

  /** Yields often; the fold must not move before the end. */
  *derive(
    inputs: ReadonlySet<string>,
    endpoints: ReadonlyMap<string, EndpointChange>,
    into: DerivedChanges = new DerivedChanges(),
  ): Generator<void, DerivedChanges> {
    yield* this.resources.derive(inputs, into);
    yield* this.#catalog.records(inputs, into);
    yield* this.#catalog.endpoints(endpoints, into);
    yield* this.#catalog.callers(this.graph.affected(inputs), into);
    yield* this.#raw.derive(inputs, into);
    return into;
  }

  /**
   * Everything, compared with what is stored; what is stored and no longer derived is removed. `loaded` comes first.
   * @param endpoints all that the fold has, by key
   */
  *deriveAll(
    endpoints: Iterable<readonly [key: string, endpoint: EndpointView]>,
    stored: StoredKeys,
  ): Generator<void, DerivedChanges> {
    const into = new DerivedChanges();
    const services = new Set(['mesh']);
    for (const service of this.#fold.serviceNames()) services.add(`svc:${service}`);
    yield* this.resources.derive(services, into);
    for (const service of stored.services()) services.add(`svc:${service}`);
    yield* this.#catalog.records(services, into);
    yield* this.#catalog.allEndpoints(endpoints, [...stored.endpoints()], into);
    yield* this.#catalog.callers(new Set([...this.graph.callers(), ...stored.callers()]), into);
    this.#catalog.hosts(stored.hosts(), into);
    this.#removeStale(stored, into);
    yield* this.#raw.deriveAll(stored, into);
    return into;
  }

  #removeStale(stored: StoredKeys, into: DerivedChanges): void {
    const resources = new Set(this.resources.resourceKeys());
    for (const key of stored.resources()) {
      if (resources.has(key)) continue;
      into.resources.set(key, undefined);
      into.keys.add(key);
    }
    const units = new Set(this.resources.services());
    for (const service of stored.units()) if (!units.has(service)) into.units.set(service, undefined);
  }
}
