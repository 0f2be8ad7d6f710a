/** What a control plane compiles of a mesh, as a client holds it; and clusters by hand where a test needs other numbers. */
import type { CompiledResource } from '../../../src/compile/index.ts';
import { Cluster, ClusterLoadAssignment, type ICluster } from '../../../src/proto/index.ts';
import type {
  CallCore,
  CallFacts,
  CallOutcome,
  Pick,
  UpstreamCluster,
} from '../../../src/sidecar-client/calls/index.ts';
import { createCallCore } from '../../../src/sidecar-client/calls/index.ts';
import type {
  ConfigChange,
  ConfigKind,
  ConfigSource,
  HeldResource,
} from '../../../src/sidecar-client/config-source.ts';

/** Resources in memory, set by the test; tells of changes as a client does. */
export class Held implements ConfigSource {
  readonly locality: { readonly region: string; readonly zone: string };
  readonly #maps: Readonly<Record<ConfigKind, Map<string, HeldResource>>> = {
    cluster: new Map(),
    assignment: new Map(),
    virtualHost: new Map(),
  };
  readonly #listeners = new Set<(change: ConfigChange) => void>();
  #version = 0;

  constructor(locality = { region: '', zone: '' }) {
    this.locality = locality;
  }

  put(kind: ConfigKind, name: string, body: Uint8Array | undefined): void {
    if (body === undefined) this.#maps[kind].delete(name);
    else this.#maps[kind].set(name, { name, version: String(++this.#version), body });
    for (const listener of this.#listeners) listener({ kind, names: [name] });
  }

  /** All that is compiled of a mesh; virtual hosts by each of their domains. */
  putAll(resources: readonly CompiledResource[]): this {
    for (const { type, variant, name, body, domains } of resources) {
      if (variant !== '') continue;
      if (type === 'cds') this.put('cluster', name, body);
      if (type === 'eds') this.put('assignment', name, body);
      if (type === 'vhds') for (const domain of domains ?? []) this.put('virtualHost', domain, body);
    }
    return this;
  }

  virtualHostOf(authority: string): HeldResource | undefined {
    return this.#maps.virtualHost.get(authority);
  }
  cluster(name: string): HeldResource | undefined {
    return this.#maps.cluster.get(name);
  }
  assignmentOf(cluster: string): HeldResource | undefined {
    return this.#maps.assignment.get(cluster);
  }
  ready(authority: string): Promise<boolean> {
    return Promise.resolve(this.#maps.virtualHost.has(authority));
  }
  touch(): void {}
  onChange(listener: (change: ConfigChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

export const call = (
  authority: string,
  { path = '/', method = 'GET', headers = {} }: Partial<CallFacts> & { headers?: Record<string, string> } = {},
): CallFacts => ({ authority, path, method, header: (name) => headers[name] });

export interface TestEndpoint {
  readonly address: string;
  readonly weight?: number;
  readonly healthStatus?: 0 | 1 | 2 | 3;
  readonly zone?: string;
  readonly region?: string;
  readonly priority?: number;
}

export const NAME = 'cart.shop:80';

export const assignment = (endpoints: readonly TestEndpoint[]): Uint8Array =>
  ClusterLoadAssignment.encode({
    clusterName: NAME,
    endpoints: endpoints.map(({ address, weight, healthStatus, zone, region, priority }) => ({
      ...(zone === undefined && region === undefined ? {} : { locality: { region, zone } }),
      ...(priority === undefined ? {} : { priority }),
      lbEndpoints: [
        {
          endpoint: { address: { socketAddress: { address, portValue: 80 } } },
          healthStatus,
          loadBalancingWeight: weight === undefined ? undefined : { value: weight },
        },
      ],
    })),
  }).finish();

/** Of type EDS, limits out of the way, panic as Tendril's default. */
export const cluster = (fields: ICluster = {}): Uint8Array =>
  Cluster.encode({
    name: NAME,
    type: 3,
    edsClusterConfig: {},
    commonLbConfig: { healthyPanicThreshold: { value: 1 } },
    circuitBreakers: { thresholds: [{ maxRequests: { value: 0xffff_ffff } }] },
    ...fields,
  }).finish();

export const addresses = (count: number): readonly TestEndpoint[] =>
  Array.from({ length: count }, (_, index) => ({ address: `10.0.${index >> 8}.${index & 255}` }));

/** A core that holds one cluster. */
export const coreOf = (
  endpoints: readonly TestEndpoint[],
  fields: ICluster = {},
  { seed = 1, locality = { region: '', zone: '' } } = {},
): { readonly held: Held; readonly core: CallCore; readonly cluster: UpstreamCluster } => {
  const held = new Held(locality);
  held.put('cluster', NAME, cluster(fields));
  held.put('assignment', NAME, assignment(endpoints));
  const core = createCallCore({ source: held, random: seeded(seed) });
  const found = core.cluster(NAME);
  if (found === undefined) throw new Error('the cluster is not held');
  return { held, core, cluster: found };
};

export const picked = (pick: ReturnType<UpstreamCluster['pick']>): Pick => {
  if (typeof pick === 'string') throw new Error(`nothing picked: ${pick}`);
  return pick;
};

export const ok: CallOutcome = { end: 'answered', status: 200 };
export const failed: CallOutcome = { end: 'answered', status: 503 };

/** Calls that run one after the other, counted by address. */
export const tally = (upstream: UpstreamCluster, calls: number, hashKey?: string): Map<string, number> => {
  const counts = new Map<string, number>();
  for (let count = 0; count < calls; count++) {
    const { endpoint, release } = picked(upstream.pick(hashKey, undefined, 0));
    release(ok, 0);
    counts.set(endpoint.address, (counts.get(endpoint.address) ?? 0) + 1);
  }
  return counts;
};
