/**
 * What a sidecar was entitled to at an offset: the resources that its caller's edges bring, as the compiler of today makes them of what
 * was then, raw resources in the place of compiled ones of their name. The same rules as `MeshView`, over a state of the past.
 *
 * Left out is what no log knows: its own listeners and inbound clusters (they depend on addresses in the node's own words), what it asked
 * for without an edge, and its list of needs.
 */
import { type CompiledResource, compileService, resourceKey } from '../compile/index.ts';
import { type ResourceType, typeUrlOf } from '../delta-xds/index.ts';
import { type CallerRecord, isVisible } from '../dependency-graph/index.ts';
import { clusterName, parseClusterName, parseServiceName, rawKey, rawSetKey } from '../model/index.ts';
import type { PastReader, StateThen } from '../projector/index.ts';

export interface EntitledNode {
  /** `node.id` */
  readonly id: string;
  /** `<service>.<namespace>` */
  readonly service: string;
}

export interface Entitled {
  readonly type: 'cds' | 'eds' | 'vhds' | 'lds';
  readonly name: string;
  readonly version: string;
  readonly bytes: number;
  /** It is a raw resource. */
  readonly raw?: true;
}

type Shared = 'cds' | 'eds' | 'vhds';

interface Body {
  readonly version: string;
  readonly body: Uint8Array;
  readonly clusters?: readonly string[];
  readonly eds?: string;
  readonly isRaw: boolean;
}

/** Reads one state of then for one node. */
class EntitledView {
  readonly #state: StateThen;
  readonly #node: EntitledNode;
  readonly #namespace: string;
  readonly #denied: readonly string[];
  readonly #compiled = new Map<string, ReadonlyMap<string, CompiledResource>>();

  constructor(state: StateThen, node: EntitledNode, record: CallerRecord) {
    this.#state = state;
    this.#node = node;
    const { service } = node;
    this.#namespace = parseServiceName(service)?.namespace ?? service.slice(service.indexOf('.') + 1);
    this.#denied = record.denied;
  }

  get(type: Shared, name: string): Body | undefined {
    const cluster = parseClusterName(name);
    if (cluster === undefined || !this.#isVisible(cluster.service, cluster.port)) return undefined;
    const raw = this.raw(type, type === 'vhds' ? `outbound/${name}` : name);
    if (raw !== undefined) return { ...raw, isRaw: true };
    const units = this.#unitsOf(cluster.service);
    const found = units.get(resourceKey(type, `ns:${this.#namespace}`, name)) ?? units.get(resourceKey(type, '', name));
    return found === undefined ? undefined : { ...found, isRaw: false };
  }

  raw(type: ResourceType, name: string): Omit<Body, 'isRaw'> | undefined {
    const typeUrl = typeUrlOf(type);
    const { id: node } = this.#node;
    return this.#state.raw(rawKey({ node, typeUrl, name })) ?? this.#state.raw(rawKey({ typeUrl, name }));
  }

  /** Names of raw resources of a type: the node's, and those of every node. */
  rawNames(type: ResourceType): ReadonlySet<string> {
    const names = new Set<string>();
    for (const node of [this.#node.id, undefined]) {
      const prefix = `${rawSetKey(node, typeUrlOf(type))}|`;
      for (const key of this.#state.rawKeys(prefix)) names.add(key.slice(prefix.length));
    }
    return names;
  }

  isHttp(service: string, port: number): boolean {
    const ports = this.#state.service(service)?.ports ?? [];
    return ports.some((candidate) => candidate.port === port && candidate.protocol !== 'tcp');
  }

  /** A registered service has this name: its raw clusters come with it, not as bases. */
  isOfService(name: string): boolean {
    const cluster = parseClusterName(name);
    return cluster !== undefined && this.#state.service(cluster.service) !== undefined;
  }

  #isVisible(service: string, port: number): boolean {
    const record = this.#state.service(service);
    if (record === undefined || !isVisible(record.visibility, record.namespace, this.#namespace)) return false;
    return !this.#denied.includes(service) && !this.#denied.includes(clusterName(service, port));
  }

  #unitsOf(service: string): ReadonlyMap<string, CompiledResource> {
    let units = this.#compiled.get(service);
    if (units === undefined) {
      const { compileInputs } = this.#state;
      const all = (['config', 'endpoints'] as const).flatMap((unit) => compileService(unit, service, compileInputs));
      units = new Map(all.map((one) => [resourceKey(one.type, one.variant, one.name), one]));
      this.#compiled.set(service, units);
    }
    return units;
  }
}

const entitledIn = (view: EntitledView, preload: readonly string[]): readonly Entitled[] => {
  const rows = new Map<string, Entitled>();
  const add = (type: Entitled['type'], name: string, { version, body, isRaw }: Omit<Body, 'eds'>): void => {
    rows.set(`${type}|${name}`, { type, name, version, bytes: body.length, ...(isRaw ? { raw: true } : {}) });
  };
  for (const servicePort of preload) {
    const target = parseClusterName(servicePort);
    if (target === undefined) continue;
    const isHttp = view.isHttp(target.service, target.port);
    const host = isHttp ? view.get('vhds', servicePort) : undefined;
    if (host !== undefined) add('vhds', `outbound/${servicePort}`, host);
    for (const name of isHttp ? (host?.clusters ?? []) : [servicePort]) {
      const cluster = view.get('cds', name);
      if (cluster !== undefined) add('cds', name, cluster);
      const endpoints = cluster?.eds === undefined ? undefined : view.get('eds', cluster.eds);
      if (cluster?.eds !== undefined && endpoints !== undefined) add('eds', cluster.eds, endpoints);
    }
  }
  for (const type of ['cds', 'lds'] as const) {
    for (const name of view.rawNames(type)) {
      const raw = view.isOfService(name) ? undefined : view.raw(type, name);
      if (raw !== undefined) add(type, name, { ...raw, isRaw: true });
    }
  }
  return [...rows.keys()].sort().flatMap((key) => rows.get(key) ?? []);
};

/**
 * Ascending by type and name.
 * @throws TendrilError as `PastReader.stateAt`
 */
export const entitledAt = async (
  past: Pick<PastReader, 'graphAt' | 'stateAt'>,
  offset: number,
  node: EntitledNode,
): Promise<readonly Entitled[]> => {
  const record = await (await past.graphAt(offset)).record(node.service);
  const state = await past.stateAt(offset);
  return state.read((then) => entitledIn(new EntitledView(then, node, record), record.preload));
};
