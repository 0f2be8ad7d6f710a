/** Entities as they were behind an event, folded by the fold's own reducers from what `PastReads` gives. Endpoints: past-endpoints.ts. */
import { EdgeList } from '../../dependency-graph/index.ts';
import { parseServiceName, type RecordedEvent, rawNodeSubject, rawOfSubject, setOfRawKey } from '../../model/index.ts';
import type { CallerEdges } from '../fold/edge-entity.ts';
import type { EndpointShards } from '../fold/endpoint-shards.ts';
import { MESH_KEY, type MeshEntity, type MeshState } from '../fold/mesh-state.ts';
import { decodeRaw, type RawEntity } from '../fold/raw-entity.ts';
import type { ServiceEntity } from '../fold/service-entity.ts';
import type { PolicyEntity } from '../fold/types.ts';
import type { Removal } from '../history-rows.ts';
import { endpointsAt } from './past-endpoints.ts';
import { decided, foldInto, PastReads, type PastReadsOptions, type Plan, parseEntity } from './past-reads.ts';

export type PastEntitiesOptions = PastReadsOptions;

/** Entities that are read together: what several of them need is read once. */
const TOGETHER = 512;

export const policySubjectOf = (key: string): string => `policy/${key}`;

/** Subjects of what changes one raw resource: its own events, and the clearing of its node. */
const rawSubjects = (key: string): readonly string[] => {
  const [node = '', typeUrl = ''] = key.split('|', 2);
  const name = key.slice(node.length + typeUrl.length + 2);
  return [`resource/${node}/${typeUrl}/${name}`, `${rawNodeSubject(undefined)}${node}`];
};

export class PastEntities {
  readonly reads: PastReads;

  constructor(options: PastEntitiesOptions, at: number) {
    this.reads = new PastReads(options, at);
  }

  keysNow(prefix: string): string[] {
    this.reads.refresh();
    return this.reads.keysNow(prefix);
  }

  /** Events behind the offset of one family; `after` leaves out those that were read already. */
  removals(family: Removal, after?: number, upTo?: number): Promise<RecordedEvent[]> {
    return this.reads.removals(family, after, upTo);
  }

  /** Stored edges of some callers. */
  edges(callers: readonly string[]): Promise<Map<string, EdgeList | undefined>> {
    const { reads } = this;
    const planOf = (caller: string): Plan => reads.plan(`edges/${caller}`, [`edge/${caller}`], reads.at);
    return this.#together(callers, planOf, (caller, plan, events) => {
      const stored = parseEntity<CallerEdges>(plan.base);
      const state = reads.scratch();
      const edges = stored === undefined ? undefined : EdgeList.of(stored.edges, state.edgeTexts);
      if (plan.offsets.length === 0) return edges;
      if (edges !== undefined) state.edges.load(caller, edges);
      foldInto(state, plan.offsets, events, (event) => ofCaller(event, caller));
      return state.edges.get(caller);
    });
  }

  /** @param keys `Kind/namespace/name` */
  policies(keys: readonly string[], upTo = this.reads.at): Promise<Map<string, PolicyEntity | undefined>> {
    const { reads } = this;
    const planOf = (key: string): Plan => reads.plan(`pol/${key}`, [policySubjectOf(key)], upTo);
    return this.#together(keys, planOf, (key, plan, events) => {
      const policy = parseEntity<PolicyEntity>(plan.base);
      if (plan.offsets.length === 0) return policy;
      const state = reads.scratch();
      if (policy !== undefined) state.policies.load(key, policy);
      foldInto(state, plan.offsets, events, (event) => (event.subject === policySubjectOf(key) ? event : undefined));
      return state.policies.get(key);
    });
  }

  /** @param key `Kind/namespace/name` */
  async policy(key: string, upTo?: number): Promise<PolicyEntity | undefined> {
    return (await this.policies([key], upTo)).get(key);
  }

  /** By `<service>.<namespace>`. A Service document is a facet of its service. */
  services(names: readonly string[]): Promise<Map<string, ServiceEntity | undefined>> {
    const { reads } = this;
    const planOf = (name: string): Plan => {
      const subjects = serviceSubjects(name);
      return subjects === undefined ? NOTHING : reads.plan(`svc/${name}`, [subjects.own, subjects.policy], reads.at);
    };
    return this.#together(names, planOf, async (name, plan, events) => {
      const service = parseEntity<ServiceEntity>(plan.base);
      const subjects = serviceSubjects(name);
      if (plan.offsets.length === 0 || subjects === undefined) return service;
      const { own, policy: subject, document } = subjects;
      const state = reads.scratch();
      const policy = reads.eventRows(subject).length === 0 ? undefined : await this.policy(document, plan.from);
      if (policy !== undefined) state.policies.load(document, policy);
      if (service !== undefined) state.services.load(name, service);
      foldInto(state, plan.offsets, events, (event) =>
        event.subject === own || event.subject === subject ? event : undefined,
      );
      return state.services.get(name);
    });
  }

  /** Raw resources, by `rawKey`. */
  raws(keys: readonly string[]): Promise<Map<string, RawEntity | undefined>> {
    const { reads } = this;
    const planOf = (key: string): Plan => reads.plan(`raw/${key}`, rawSubjects(key), reads.at);
    return this.#together(keys, planOf, (key, plan, events) => {
      const raw = plan.base === undefined ? undefined : decodeRaw(plan.base);
      if (plan.offsets.length === 0) return raw;
      const state = reads.scratch();
      if (raw !== undefined) loadRaw(state, key, raw);
      const subjects = rawSubjects(key);
      foldInto(state, plan.offsets, events, (event) => (subjects.includes(event.subject) ? event : undefined));
      return state.raw.get(key);
    });
  }

  /**
   * Endpoints of a service, also of one that is not registered; undefined: none.
   * @param only these ids are wanted; what is given of others is of now
   */
  endpoints(service: string, only?: ReadonlySet<string>): Promise<EndpointShards | undefined> {
    const subjects = serviceSubjects(service);
    if (subjects === undefined) return Promise.resolve(undefined);
    return endpointsAt(this.reads, service, subjects, (upTo) => this.policy(subjects.document, upTo), only);
  }

  async mesh(): Promise<MeshEntity | undefined> {
    const { reads } = this;
    reads.refresh();
    const plan = reads.plan(MESH_KEY, [MESH_KEY], reads.at);
    const mesh = parseEntity<MeshEntity>(plan.base);
    if (plan.offsets.length === 0) return mesh;
    const events = await reads.read(plan.offsets);
    const state = reads.scratch();
    if (mesh !== undefined) state.mesh.load(MESH_KEY, mesh);
    foldInto(state, plan.offsets, events, (event) => (event.subject === MESH_KEY ? event : undefined));
    return state.mesh.get(MESH_KEY);
  }

  async #together<T>(
    keys: readonly string[],
    planOf: (key: string) => Plan,
    finish: (key: string, plan: Plan, events: ReadonlyMap<number, RecordedEvent>) => T | Promise<T>,
  ): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    for (let at = 0; at < keys.length; at += TOGETHER) {
      this.reads.refresh();
      const plans = keys.slice(at, at + TOGETHER).map((key) => [key, planOf(key)] as const);
      const events = await this.reads.read(plans.flatMap(([, { offsets }]) => offsets));
      for (const [key, plan] of plans) {
        const value = finish(key, plan, events);
        // Most need nothing more: no turn of the event loop for each of thousands.
        found.set(key, value instanceof Promise ? await value : value);
      }
    }
    return found;
  }
}

/** With its set: a clearing takes away what the sets of the node name. */
export const loadRaw = (state: MeshState, key: string, raw: RawEntity): void => {
  state.raw.load(key, raw);
  const set = setOfRawKey(key);
  if (state.rawSets.get(set) === undefined) state.rawSets.load(set, { offset: raw.offset });
};

const NOTHING: Plan = { base: undefined, from: 0, offsets: [] };

export interface ServiceSubjects {
  readonly own: string;
  /** Subject of its Service document, and that document's key. */
  readonly policy: string;
  readonly document: string;
  /** Owner of the events of its endpoints. */
  readonly endpoints: `endpoint/${string}`;
}

const serviceSubjects = (name: string): ServiceSubjects | undefined => {
  const ref = parseServiceName(name);
  if (ref === undefined) return undefined;
  const path = `${ref.namespace}/${ref.name}`;
  const document = `Service/${path}`;
  return { own: `service/${path}`, policy: policySubjectOf(document), document, endpoints: `endpoint/${path}` };
};

/** The event as far as it speaks of a caller's edges; undefined: it does not. */
const ofCaller = (event: RecordedEvent, caller: string): RecordedEvent | undefined => {
  if (event.type === 'dependency.renewed') {
    const { data } = event as RecordedEvent<'dependency.renewed'>;
    const edges = data.edges.filter(({ from }) => from === caller);
    return edges.length === 0 ? undefined : ({ ...event, data: { ...data, edges } } as RecordedEvent);
  }
  if ((event.data as { readonly from?: unknown }).from !== caller) return undefined;
  return decided(event);
};

/**
 * Keys of raw resources that may have been there at the offset. A `resource.clear` does not say what it takes away: all that was put
 * before may be among it, and all that was there where the history begins.
 */
export const rawKeysSince = async (entities: PastEntities): Promise<ReadonlySet<string>> => {
  const keys = new Set(entities.keysNow('raw/').map((key) => key.slice('raw/'.length)));
  const gone = await entities.removals('raw');
  const cleared = gone.filter(({ type }) => type === 'resource.clear').at(-1)?.offset;
  const put = cleared === undefined ? [] : await entities.removals('raw-put', 0, cleared);
  if (cleared !== undefined) for (const key of await entities.reads.rawKeysAtBase()) keys.add(key.slice('raw/'.length));
  for (const { subject, type } of [...gone, ...put]) {
    const raw = rawOfSubject(subject);
    if (type !== 'resource.clear' && 'key' in raw) keys.add(raw.key);
  }
  return keys;
};
