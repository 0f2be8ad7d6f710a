/**
 * The part of the folded state that the dependency graph reads, as it was at an offset. Entities are loaded before they are read: the
 * graph reads them without waiting. Inside of a batch the state is that before the batch.
 */
import type { ServiceView } from '../../compile/index.ts';
import { EdgeList, type GraphLookup } from '../../dependency-graph/index.ts';
import { parseTarget, serviceName } from '../../model/index.ts';
import { MeshState } from '../fold/mesh-state.ts';
import { nextTurn } from '../turns.ts';
import { PastEntities, type PastEntitiesOptions } from './past-entities.ts';

const PER_TURN = 64;
/** Callers whose events are read together: what several of them need is read once. */
const CALLERS_TOGETHER = 512;
const EDGES = 'edges/';
const SERVICES = 'svc/';
const POLICIES = 'pol/';

const calleeOf = (to: string): string | undefined => {
  const target = parseTarget(to);
  return target === undefined ? undefined : serviceName(target.namespace, target.name);
};

export class PastMesh {
  readonly offset: number;
  /** Of the event at the offset, ms since the epoch; 0 before the first one. */
  readonly recordedAt: number;
  readonly lookup: GraphLookup;
  readonly #entities: PastEntities;
  readonly #state: MeshState;
  readonly #callers = new Set<string>();
  readonly #services = new Set<string>();
  #hasAllServices = false;
  /** Callers of edges taken away since, by callee, as events up to `#withdrawnTo` tell. */
  readonly #withdrawn = new Map<string, Set<string>>();
  #withdrawnTo: number | undefined;

  private constructor(options: PastEntitiesOptions, place: Place) {
    this.offset = place.offset;
    this.recordedAt = place.recordedAt;
    this.#entities = new PastEntities(options, place.upTo);
    this.#state = new MeshState({ mesh: options.mesh });
    const { documents } = this.#state;
    this.lookup = {
      service: (name) => this.service(name),
      services: () => this.#allServices(),
      dependency: (caller) => documents.dependency(caller),
      defaultDependency: (namespace) => documents.defaultDependency(namespace),
    };
  }

  /** @throws TendrilError `OFFSET_GONE` when events that are needed are no longer in the log */
  static async open(options: PastEntitiesOptions, at: number): Promise<PastMesh> {
    const mesh = new PastMesh(options, await placeOf(options, at));
    await mesh.#loadDocuments();
    return mesh;
  }

  /** Scopes with Dependency documents. */
  scopes(): Iterable<string> {
    return this.#state.policyIndex.scopesOf('Dependency');
  }

  /** Of a service that was loaded. */
  service(name: string): ServiceView | undefined {
    if (!this.#services.has(name)) throw new Error(`${name} is read before it is loaded`);
    return this.#state.service(name);
  }

  /** Callers of edges to a service that were taken away since. */
  async withdrawnCallers(service: string): Promise<Iterable<string>> {
    return (await this.#readWithdrawn()).get(service) ?? [];
  }

  /** Callers with stored edges then or now. */
  async callers(): Promise<Set<string>> {
    const callers = new Set(this.#entities.keysNow(EDGES).map((key) => key.slice(EDGES.length)));
    for (const gone of (await this.#readWithdrawn()).values()) for (const caller of gone) callers.add(caller);
    return callers;
  }

  /**
   * Loads edges of callers, and the services they lead to. Those that were not loaded before are handed to `take` in the turn in which
   * they count as loaded: when a load throws, the rest of them are loaded the next time. Gives how many they were.
   */
  async loadCallers(names: Iterable<string>, take: (caller: string, edges: EdgeList) => void): Promise<number> {
    const fresh = [...new Set(names)].filter((name) => !this.#callers.has(name));
    for (let at = 0; at < fresh.length; at += CALLERS_TOGETHER) {
      const part = fresh.slice(at, at + CALLERS_TOGETHER);
      const loaded = await this.#entities.edges(part);
      const callees: string[] = [];
      for (const [caller, edges] of loaded)
        for (const to of edges?.targets() ?? []) callees.push(calleeOf(to) ?? caller);
      await this.loadServices(callees);
      for (const [caller, edges] of loaded) {
        if (edges !== undefined) this.#state.edges.load(caller, edges);
        take(caller, edges ?? EdgeList.EMPTY);
        this.#callers.add(caller);
      }
      await nextTurn();
    }
    return fresh.length;
  }

  async loadServices(names: Iterable<string>): Promise<void> {
    const fresh = [...new Set(names)].filter((name) => !this.#services.has(name));
    for (let at = 0; at < fresh.length; at += PER_TURN) {
      for (const [name, entity] of await this.#entities.services(fresh.slice(at, at + PER_TURN))) {
        this.#services.add(name);
        if (entity !== undefined) this.#state.services.load(name, entity);
      }
      await nextTurn();
    }
  }

  async loadAllServices(): Promise<void> {
    if (this.#hasAllServices) return;
    const names = this.#entities.keysNow(SERVICES).map((key) => key.slice(SERVICES.length));
    const gone = (await this.#entities.removals('service')).map(({ data }) => {
      const { namespace, name } = data as { readonly namespace?: unknown; readonly name?: unknown };
      return serviceName(String(namespace), String(name));
    });
    await this.loadServices([...names, ...gone]);
    this.#hasAllServices = true;
  }

  #allServices(): Iterable<ServiceView> {
    if (!this.#hasAllServices) throw new Error('services are read before they are loaded');
    const names = [...this.#state.services.keys()].sort();
    return names.flatMap((name) => this.#state.service(name) ?? []);
  }

  /** Dependency documents, and the services that they name; all services when one selects by shape. */
  async #loadDocuments(): Promise<void> {
    const keys = new Set(this.#entities.keysNow(`${POLICIES}Dependency/`).map((key) => key.slice(POLICIES.length)));
    for (const { data } of await this.#entities.removals('policy/Dependency')) {
      const { kind, namespace, name } = data as Readonly<Record<string, unknown>>;
      keys.add(`${kind}/${namespace}/${name}`);
    }
    for (const [key, policy] of await this.#entities.policies([...keys]))
      if (policy !== undefined) this.#state.policies.load(key, policy);
    const named: string[] = [];
    let byShape = false;
    for (const { spec } of this.#state.policyIndex.ofKind('Dependency')) {
      const { to = {}, select } = spec as { readonly to?: object | null; readonly select?: object | null };
      byShape ||= select !== undefined && select !== null;
      for (const target of Object.keys(to ?? {})) {
        const callee = calleeOf(target);
        byShape ||= callee === undefined || target.includes('*');
        if (callee !== undefined) named.push(callee);
      }
    }
    await (byShape ? this.loadAllServices() : Promise.resolve());
    await this.loadServices(named);
  }

  /** Reads on with each use: an edge may be taken away while this graph is kept. */
  async #readWithdrawn(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    for (const { offset, data } of await this.#entities.removals('edge', this.#withdrawnTo)) {
      const { from, to } = data as { readonly from: string; readonly to: string };
      const callee = calleeOf(to) ?? to;
      this.#withdrawn.set(callee, (this.#withdrawn.get(callee) ?? new Set()).add(from));
      this.#withdrawnTo = Math.max(this.#withdrawnTo ?? 0, offset);
    }
    return this.#withdrawn;
  }
}

export interface Place {
  readonly offset: number;
  readonly recordedAt: number;
  /** The last event that counts: that before the batch which `offset` lies in. */
  readonly upTo: number;
}

/** Where in the log a question is. */
export const placeOf = async (
  { log, refresh, outcomesOf }: Pick<PastEntitiesOptions, 'log' | 'refresh' | 'outcomesOf'>,
  at: number,
): Promise<Place> => {
  if (at === 0) return { offset: 0, recordedAt: 0, upTo: 0 };
  const { base } = log.head();
  // The history begins behind a whole batch.
  if (base?.offset === at) return { offset: at, recordedAt: base.recordedAt, upTo: at };
  for await (const [record] of log.read({ from: at, maxBatch: 1 })) {
    const place = { offset: at, recordedAt: record?.recordedAt ?? 0, upTo: at };
    const { index, size } = record?.event?.batch ?? { index: 0, size: 1 };
    const isInside = Number.isSafeInteger(index) && Number.isSafeInteger(size) && index < size - 1;
    if (!isInside) return place;
    refresh();
    const [outcome] = outcomesOf([at]);
    // The fold rejects a loose event, whose index says nothing of those before it. A rejected batch changes nothing, so that will do.
    if (outcome?.status === 'rejected' || outcome?.status === 'quarantined') return place;
    return { ...place, upTo: at - index - 1 };
  }
  return { offset: at, recordedAt: 0, upTo: at };
};
