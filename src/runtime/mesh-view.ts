/**
 * The mesh as one Envoy sees it.
 *
 * What a node may hold: a service it may see (visibility) and that its caller record does not deny. What it may learn besides:
 * anything it may hold, unless its documents say `learn: false`. Raw resources come before what is compiled. Own resources (listeners, `inbound:<port>`) are a pure
 * function of node facts, service, endpoint and caller record.
 */
import { emptyAssignment, type OwnInputs, resourceKey, routeConfiguration } from '../compile/index.ts';
import type { NodeFacts, NodeView, PreloadStep, ResourceBody, ResourceType } from '../delta-xds/index.ts';
import { type CallerRecord, isVisible } from '../dependency-graph/index.ts';
import {
  type ClusterName,
  clusterName,
  generationOf,
  outboundRoutes,
  parseServiceName,
  servicePort,
} from '../model/index.ts';
import type { ReadModel, ServiceRecord } from '../projector/index.ts';
import type { NeedsList } from './needs-list.ts';
import type { NeedsLists } from './needs-lists.ts';
import type { ListenFacts, NodeIdentity } from './node-identity.ts';
import type { Needs } from './node-needs.ts';
import type { OwnSet } from './own-sets.ts';
import { RawView } from './raw-view.ts';
import type { SharedReads } from './shared-reads.ts';

/** Types whose resources are named after a service port. */
const OF_SERVICES: ReadonlySet<string> = new Set(['cds', 'eds', 'vhds']);

/** Host and port of a lower-case authority; IPv6 literals never name a service. */
const splitAuthority = (
  authority: string,
): { readonly host: string; readonly port: number | undefined } | undefined => {
  const match = /^([a-z0-9_.-]+?)(?::([0-9]{1,5}))?$/.exec(authority);
  if (match?.[1] === undefined) return undefined;
  return { host: match[1], port: match[2] === undefined ? undefined : Number(match[2]) };
};

const NONE: readonly string[] = [];

const isHttp = (record: ServiceRecord, port: number): boolean =>
  record.ports.some((candidate) => candidate.port === port && candidate.protocol !== 'tcp');

export class MeshView implements NodeView {
  readonly facts: NodeFacts;
  readonly #model: ReadModel;
  readonly #listen: ListenFacts;
  readonly #reads: SharedReads;
  readonly #compileOwn: (inputs: OwnInputs) => OwnSet;
  readonly #raw: RawView;
  /** Generation of the route configuration that the `outbound` listener names. */
  #generation = 0;
  readonly #needs: Needs | undefined;
  readonly #lists: NeedsLists;
  #listOf: { readonly denied: readonly string[]; readonly list: NeedsList } | undefined;
  #rightsOf: CallerRecord | undefined;
  #rights = '';
  /** Inputs and outcome of the last look at the own resources: one request looks several times. */
  #ownOf:
    | {
        readonly service: unknown;
        readonly endpoint: unknown;
        readonly tcp: unknown;
        readonly generation: number;
        readonly own: OwnSet;
      }
    | undefined;
  /** Own names and raw bases together: the same array while nothing changed. */
  readonly #bases: { lds?: readonly string[]; cds?: readonly string[] } = {};

  constructor(
    model: ReadModel,
    { facts, listen, needs }: NodeIdentity,
    compile: (inputs: OwnInputs) => OwnSet,
    reads: SharedReads,
    lists: NeedsLists,
  ) {
    this.#model = model;
    this.facts = facts;
    this.#listen = listen;
    this.#reads = reads;
    this.#compileOwn = compile;
    this.#raw = new RawView(model, facts.id);
    this.#needs = needs;
    this.#lists = lists;
  }

  /** The node can ask for clusters by name. */
  protected get onDemand(): boolean {
    return true;
  }

  /** The service, when this node may hold it. */
  #visible(service: string, port: number | undefined): ServiceRecord | undefined {
    const record = this.#model.service(service);
    if (record === undefined || !isVisible(record.visibility, record.namespace, this.facts.namespace)) return undefined;
    const { denied } = this.#model.caller(this.facts.caller);
    if (denied.includes(service) || (port !== undefined && denied.includes(servicePort(service, port))))
      return undefined;
    return record;
  }

  #own(): OwnSet {
    const { caller, namespace, serviceAccount } = this.facts;
    const service = this.#model.service(caller);
    const endpoint = this.facts.endpoint === undefined ? undefined : this.#model.endpoint(caller, this.facts.endpoint);
    const { tcp } = this.#model.caller(caller);
    const last = this.#ownOf;
    const generation = this.#generation;
    if (
      last !== undefined &&
      last.service === service &&
      last.endpoint === endpoint &&
      last.tcp === tcp &&
      last.generation === generation
    )
      return last.own;
    const own = this.#compileOwn({
      caller,
      namespace,
      serviceAccount,
      listen: this.#listen,
      onDemand: this.onDemand,
      ...(generation === 0 ? {} : { routes: outboundRoutes(generation) }),
      service,
      endpoint,
      tcp,
    });
    this.#ownOf = { service, endpoint, tcp, generation, own };
    return own;
  }

  useGeneration(n: number): void {
    this.#generation = n;
  }

  expired(): readonly string[] {
    return this.#model.caller(this.facts.caller).expired ?? NONE;
  }

  #shared(type: string, name: string): ResourceBody | undefined {
    return this.#reads.body(this.facts.namespace, type, name);
  }

  /** A raw resource follows the filter of the compiled one whose name it has, and wins. */
  get(type: ResourceType, name: string): ResourceBody | undefined {
    const raw = this.#raw.get(type, type === 'vhds' ? `outbound/${name}` : name);
    if (raw === undefined) return this.compiled(type, name);
    const service = OF_SERVICES.has(type) ? this.#ownerOf(name) : undefined;
    return service === undefined || this.#visible(service.service, service.port) !== undefined ? raw : undefined;
  }

  /** The registered service whose cluster, assignment or virtual host has this name. */
  #ownerOf(name: string): ClusterName | undefined {
    const cluster = this.#reads.clusterName(name);
    return cluster === undefined || this.#model.service(cluster.service) === undefined ? undefined : cluster;
  }

  /** What Tendril made of events and documents, without raw resources. */
  compiled(type: ResourceType, name: string): ResourceBody | undefined {
    switch (type) {
      case 'lds':
        return this.#own().listeners.get(name);
      case 'rds':
        return generationOf(name) !== undefined ? routeConfiguration(name) : undefined;
      case 'eds':
        if (name === 'local')
          return this.#model.resource(resourceKey('local', '', this.facts.caller)) ?? emptyAssignment('local');
        break;
      case 'cds':
        if (name.startsWith('inbound:')) return this.#own().clusters.get(name);
        break;
      case 'vhds':
        break;
      default:
        return undefined;
    }
    const cluster = this.#reads.clusterName(name);
    if (cluster === undefined || this.#visible(cluster.service, cluster.port) === undefined) return undefined;
    return this.#shared(type, name);
  }

  label(type: ResourceType): string | undefined {
    return this.#raw.label(type);
  }

  own(type: 'lds' | 'cds'): readonly string[] {
    const own = this.#own().names[type];
    const raw = this.#raw.names(type);
    if (raw.length === 0) return own;
    const names = [...new Set([...own, ...raw.filter((name) => this.#ownerOf(name) === undefined)])];
    const known = this.#bases[type];
    if (known?.length === names.length && known.every((name, at) => name === names[at])) return known;
    this.#bases[type] = names;
    return names;
  }

  resolveHost(authority: string): string | undefined {
    const split = splitAuthority(authority);
    if (split === undefined) return undefined;
    const service = this.#serviceOfHost(split.host);
    if (service === undefined) return undefined;
    const record = this.#visible(service, split.port);
    if (record === undefined) return undefined;
    const port = split.port ?? record.defaultPort;
    if (port === undefined || !isHttp(record, port) || this.#visible(service, port) === undefined) return undefined;
    const canonical = servicePort(service, port);
    return this.#mayLearn(canonical) ? canonical : undefined;
  }

  #serviceOfHost(host: string): string | undefined {
    if (!host.includes('.')) return `${host}.${this.facts.namespace}`;
    const suffix = this.#model.suffixes().find((candidate) => host.endsWith(candidate));
    const name = suffix === undefined ? host : host.slice(0, -suffix.length);
    // Names of services win over external hosts, as in compile's domains.
    if (parseServiceName(name) !== undefined && this.#model.service(name) !== undefined) return name;
    return this.#model.externalHost(host);
  }

  #mayLearn(canonical: string): boolean {
    const caller = this.#model.caller(this.facts.caller);
    return caller.learn || caller.preload.includes(canonical);
  }

  mayHold(): number {
    const { learn, preload } = this.#model.caller(this.facts.caller);
    return learn ? Math.max(this.#model.services(), this.#list()?.names.length ?? 0) : preload.length;
  }

  rights(): string {
    const record = this.#model.caller(this.facts.caller);
    if (record !== this.#rightsOf) {
      const { denied, learn, preload, tcp } = record;
      this.#rightsOf = record;
      this.#rights = JSON.stringify([denied, learn ? null : preload, tcp]);
    }
    return this.#rights;
  }

  preload(): readonly string[] {
    const { preload } = this.#model.caller(this.facts.caller);
    return this.#list()?.with(preload) ?? preload;
  }

  preloads(servicePort: string): boolean | undefined {
    return this.#list()?.has(servicePort) === true ? true : undefined;
  }

  preloadStep(before: readonly string[], after: readonly string[]): PreloadStep | undefined {
    return this.#listOf?.list.step(before, after);
  }

  /**
   * What the node itself wants (`node-needs.ts`). It widens nothing: what the node may not see or is denied is not in it, and where its
   * documents say `learn: false` the documents alone count.
   */
  #list(): NeedsList | undefined {
    if (this.#needs === undefined) return undefined;
    const { caller, namespace } = this.facts;
    const { denied, learn } = this.#model.caller(caller);
    if (!learn) return undefined;
    const known = this.#listOf;
    if (known?.denied === denied && !known.list.gone) return known.list;
    const list = this.#lists.of(caller, { namespace, denied, needs: this.#needs });
    this.#listOf = { denied, list };
    return list;
  }

  clustersOf(canonical: string): readonly string[] {
    const cluster = this.#reads.clusterName(canonical);
    if (cluster === undefined) return [];
    const record = this.#visible(cluster.service, cluster.port);
    if (record === undefined) return [];
    const found = record.ports.find(({ port }) => port === cluster.port);
    // Of a port that the service has no longer nothing is needed: else its cluster stayed, empty, with whoever had it.
    if (found === undefined) return [];
    if (found.protocol !== 'tcp') return this.get('vhds', canonical)?.clusters ?? [];
    return [clusterName(cluster.service, cluster.port)];
  }

  servicePortOf(name: string): string | undefined {
    const cluster = this.#reads.clusterName(name);
    if (cluster === undefined) return undefined;
    const record = this.#visible(cluster.service, cluster.port);
    if (record === undefined || !record.ports.some((candidate) => candidate.port === cluster.port)) return undefined;
    const canonical = servicePort(cluster.service, cluster.port);
    return this.#mayLearn(canonical) ? canonical : undefined;
  }
}
