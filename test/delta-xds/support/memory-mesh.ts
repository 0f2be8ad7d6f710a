/** A mesh in memory behind the xDS server's ports: real Envoy messages, versions as the test names them. */
import type {
  ChangeKey,
  ChangeSet,
  NodeFacts,
  NodeView,
  ResourceBody,
  ResourceSource,
  ResourceType,
} from '../../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../../src/delta-xds/index.ts';
import {
  Cluster,
  ClusterLoadAssignment,
  encodeCanonical,
  envoy,
  Listener,
  type ProtoNode,
  RouteConfiguration,
  virtualHostTail,
} from '../../../src/proto/index.ts';

const { DiscoveryType } = envoy.config.cluster.v3.Cluster;

export const clusterBody = (name: string, version: string, eds: boolean): ResourceBody => ({
  version,
  body: encodeCanonical(Cluster, {
    name,
    type: eds ? DiscoveryType.EDS : DiscoveryType.STATIC,
    connectTimeout: { seconds: 1, nanos: 0 },
    altStatName: version,
    ...(eds ? { edsClusterConfig: { serviceName: name, edsConfig: { ads: {}, resourceApiVersion: 2 } } } : {}),
  }),
  ...(eds ? { eds: name } : {}),
});

/** `padding`: bytes to add, for tests of sizes. */
export const assignmentBody = (name: string, version: string, ports: readonly number[], padding = 0): ResourceBody => ({
  version,
  body: encodeCanonical(ClusterLoadAssignment, {
    clusterName: name,
    ...(ports.length === 0
      ? {}
      : {
          endpoints: [
            {
              lbEndpoints: ports.map((portValue) => ({
                endpoint: {
                  hostname: 'x'.repeat(padding),
                  address: { socketAddress: { address: '127.0.0.1', portValue } },
                },
              })),
              loadBalancingWeight: { value: 1 },
            },
          ],
        }),
  }),
});

export const virtualHostBody = (
  version: string,
  domains: readonly string[],
  clusters: readonly string[],
): ResourceBody => ({
  version,
  domains,
  clusters,
  body: virtualHostTail({
    domains: [...domains],
    routes: [
      {
        name: version,
        match: { prefix: '/' },
        ...(clusters.length === 1
          ? { route: { cluster: clusters[0] ?? '' } }
          : { route: { weightedClusters: { clusters: clusters.map((name) => ({ name, weight: { value: 1 } })) } } }),
      },
    ],
  }),
});

/** What may be written into the mesh. Domains that start with `*.` match any host below. */
export class MemoryMesh implements ResourceSource {
  readonly clusters = new Map<string, ResourceBody>();
  readonly assignments = new Map<string, ResourceBody>();
  readonly hosts = new Map<string, ResourceBody>();
  readonly listeners = new Map<string, ResourceBody>();
  readonly inbound = new Map<string, ResourceBody>();
  readonly local = new Map<string, ResourceBody>();
  /** `<type> <name>`: raw resources, for every node; they win. */
  readonly raw = new Map<string, ResourceBody>();
  /** Type -> label of the last raw event. */
  readonly labels = new Map<ResourceType, string>();
  /** caller -> service ports */
  readonly preloads = new Map<string, readonly string[]>();
  /** caller -> service ports of expired edges */
  readonly expired = new Map<string, readonly string[]>();
  /** Its views can name later generations; the listener of generation n has the version `<version>~<n>`. */
  renewable = false;
  /** `<caller> <service port or cluster>`: may not be held. */
  readonly denied = new Set<string>();
  #keys: ChangeKey[] = [];
  #everything = false;
  #epoch = 0;

  /** Notes a change; the next `catchUp` reports it. */
  changed(...keys: readonly ChangeKey[]): void {
    this.#keys.push(...keys);
  }

  /** A change that no `catchUp` has reported yet. */
  unreported(key: ChangeKey): boolean {
    return this.#keys.includes(key);
  }

  lost(): void {
    this.#everything = true;
  }

  set(type: 'cds' | 'eds' | 'vhds', name: string, body: ResourceBody | undefined): void {
    const table = { cds: this.clusters, eds: this.assignments, vhds: this.hosts }[type];
    const existed = table.has(name);
    if (body === undefined) table.delete(name);
    else table.set(name, body);
    this.changed(`${type}||${name}`);
    if (type === 'vhds' && (!existed || body === undefined)) this.changed(`svc|${name.slice(0, name.indexOf(':'))}`);
  }

  catchUp(): ChangeSet {
    const keys = this.#keys;
    // Whether a raw cluster is a base depends on the compiled ones.
    if (this.raw.size > 0 && keys.some((key) => key.startsWith('cds|'))) keys.push(`rawset||${typeUrlOf('cds')}`);
    const everything = this.#everything;
    if (keys.length > 0 || everything) this.#epoch++;
    this.#keys = [];
    this.#everything = false;
    return { epoch: this.#epoch, keys, everything };
  }

  placeholder(type: 'cds' | 'eds', name: string): ResourceBody {
    return type === 'cds' ? clusterBody(name, 'empty', false) : assignmentBody(name, 'empty', []);
  }

  attach(node: ProtoNode): NodeView {
    const [service = 'app', namespace = 'shop'] = node.cluster.split('.');
    return new MemoryView(this, {
      id: node.id,
      caller: `${service}.${namespace}`,
      namespace,
      proxyless: false,
    });
  }
}

const NONE: readonly string[] = [];

class MemoryView implements NodeView {
  readonly facts: NodeFacts;
  readonly #mesh: MemoryMesh;
  #generation = 0;
  readonly useGeneration?: (n: number) => void;

  constructor(mesh: MemoryMesh, facts: NodeFacts) {
    this.#mesh = mesh;
    this.facts = facts;
    if (mesh.renewable)
      this.useGeneration = (n) => {
        this.#generation = n;
      };
  }

  expired(): readonly string[] {
    return this.#mesh.expired.get(this.facts.caller) ?? NONE;
  }

  #listener(name: string): ResourceBody | undefined {
    const body = this.#mesh.listeners.get(name);
    if (body === undefined || name !== 'outbound' || this.#generation === 0) return body;
    return listenerBody(name, `${body.version}~${this.#generation}`);
  }

  #may(name: string): boolean {
    const port = name.split('/')[0] ?? name;
    const { denied } = this.#mesh;
    return !denied.has(`${this.facts.caller} ${name}`) && !denied.has(`${this.facts.caller} ${port}`);
  }

  mayHold(): number {
    return this.#mesh.hosts.size;
  }

  label(type: ResourceType): string | undefined {
    return this.#mesh.labels.get(type);
  }

  get(type: ResourceType, name: string): ResourceBody | undefined {
    const mesh = this.#mesh;
    const raw = mesh.raw.get(`${type} ${type === 'vhds' ? `outbound/${name}` : name}`);
    if (raw !== undefined && this.#may(name)) return raw;
    switch (type) {
      case 'lds':
        return this.#listener(name);
      case 'rds':
        if (!/^outbound(~[0-9]+)?$/.test(name)) return undefined;
        return {
          version: 'rc',
          body: encodeCanonical(RouteConfiguration, {
            name,
            vhds: { configSource: { ads: {}, resourceApiVersion: 2 } },
          }),
        };
      case 'cds':
        if (name.startsWith('inbound:')) return mesh.inbound.get(name);
        return this.#may(name) ? mesh.clusters.get(name) : undefined;
      case 'eds':
        if (name === 'local') return mesh.local.get(this.facts.caller);
        return this.#may(name) ? mesh.assignments.get(name) : undefined;
      case 'vhds':
        return this.#may(name) ? mesh.hosts.get(name) : undefined;
      default:
        return undefined;
    }
  }

  own(type: 'lds' | 'cds'): readonly string[] {
    const { listeners, inbound, clusters, raw } = this.#mesh;
    const bases = [...raw.keys()].filter((key) => key.startsWith(`${type} `)).map((key) => key.slice(4));
    return [...(type === 'lds' ? listeners : inbound).keys(), ...bases.filter((name) => !clusters.has(name))];
  }

  resolveHost(authority: string): string | undefined {
    for (const [name, { domains }] of this.#mesh.hosts) {
      if (!this.#may(name)) continue;
      for (const domain of domains ?? [])
        if (domain === authority || (domain.startsWith('*.') && authority.endsWith(domain.slice(1)))) return name;
    }
    return undefined;
  }

  rights(): string {
    return [...this.#mesh.denied]
      .filter((pair) => pair.startsWith(`${this.facts.caller} `))
      .sort()
      .join();
  }

  preload(): readonly string[] {
    return (this.#mesh.preloads.get(this.facts.caller) ?? []).filter(
      (name) => this.#may(name) && (this.#mesh.hosts.has(name) || this.#mesh.clusters.has(name)),
    );
  }

  clustersOf(servicePort: string): readonly string[] {
    if (!this.#may(servicePort)) return [];
    const host = this.get('vhds', servicePort);
    if (host !== undefined) return host.clusters ?? [];
    return this.#mesh.clusters.has(servicePort) ? [servicePort] : [];
  }

  servicePortOf(cluster: string): string | undefined {
    const port = cluster.split('/')[0] ?? cluster;
    return this.#may(cluster) && this.#mesh.clusters.has(cluster) ? port : undefined;
  }
}

export const listenerBody = (name: string, version: string): ResourceBody => ({
  version,
  body: encodeCanonical(Listener, { name, statPrefix: version }),
});

export const nodeOf = (cluster: string, id = `sidecar~1~${cluster}`): ProtoNode => ({
  id,
  cluster,
  metadata: {},
  locality: { region: '', zone: '', subzone: '' },
  userAgentName: 'envoy',
  clientFeatures: [],
});
