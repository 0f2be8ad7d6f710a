/**
 * The client side of an aggregated delta stream: a pure machine. Facts in (connected, responses, questions, disconnected), effects out.
 *
 * It asks as a stock Envoy of this mesh does: wildcard clusters, one route configuration with virtual hosts on demand, assignments of
 * the clusters it was given; and like Envoy it keeps what it holds while disconnected and names it on the next stream.
 *
 * Invariants (cited by the tests as C1, C2, …):
 *  C1 Every response is acknowledged or rejected, once, in order. Nothing of a rejected response is taken.
 *  C2 A host or cluster is asked for once until it is released; the next stream's first message names it again.
 *  C3 The first message of a type on a stream, and only that, carries the versions held; only the stream's first message the node.
 *  C4 Assignments are asked for exactly for the EDS clusters held.
 *  C5 No domain is held by two virtual hosts: such a response is rejected as Envoy does.
 *  C6 What is released is unsubscribed once and named by no later stream. A virtual host goes at once, as in Envoy, and comes back by a
 *     question; its clusters and assignments go when the server removes them.
 *  C7 What is restored is named on the first stream with its versions, like what is held after a lost stream.
 */
import type { DecodedResource, DeltaRequest, DeltaResponse, ProtoNode } from '../proto/index.ts';
import type { ConfigKind, HeldResource } from './config-source.ts';
import { type DecodedCluster, type DecodedHost, decodeAssignment, type Endpoint } from './decode.ts';
import { DomainIndex } from './domain-index.ts';
import type { ClientEffect } from './effect.ts';
import { decodeResource, type Held } from './held.ts';
import { KINDS, type ResourceKind, URLS } from './kinds.ts';
import { WantedAssignments } from './wanted-assignments.ts';

export interface ClientSessionOptions {
  readonly node: ProtoNode;
  /** Also takes listeners, as Envoy does, and forgets their bodies. Default false. */
  readonly listeners?: boolean;
  /** Route configuration under which hosts are asked. Default `outbound`. */
  readonly routeConfiguration?: string;
  /** Keeps the bytes of clusters, assignments and virtual hosts (`resource`), and decodes endpoints where they are used. Default false. */
  readonly bodies?: boolean;
  /** Why the client cannot use a resource's content; undefined: it can. A reason becomes a NACK. */
  readonly check?: (kind: ConfigKind, body: Uint8Array) => string | undefined;
  /** Refuses a resource with a reason: for tests of NACKs. */
  readonly refuse?: (type: ResourceKind, name: string, version: string) => string | undefined;
}

const INTERNAL = 13;
const NO_NAMES: readonly string[] = [];
const NO_VERSIONS: ReadonlyMap<string, string> = new Map();

export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #prefix: string;
  readonly #clusters = new Map<string, Held<DecodedCluster>>();
  readonly #assignments = new Map<string, Held<readonly Endpoint[] | undefined>>();
  readonly #hosts = new Map<string, Held<DecodedHost>>();
  readonly #listeners = new Map<string, Held<undefined>>();
  readonly #routes = new Map<string, Held<undefined>>();
  /** Asked host -> version of its negative answer; '': its virtual host was removed; undefined: waiting, or answered by a virtual host. */
  readonly #askedHosts = new Map<string, string | undefined>();
  readonly #askedClusters = new Set<string>();
  /** Which virtual host answers which of the hosts asked for. */
  readonly #domains = new DomainIndex();
  /** Types whose first message has been sent on this stream. */
  readonly #opened = new Set<ResourceKind>();
  readonly #wanted = new WantedAssignments();
  /** Assignments asked for on this stream. */
  readonly #askedAssignments = new Set<string>();
  /** Hosts released on this stream: an answer that is still on its way is not taken. */
  readonly #released = new Set<string>();
  /** Virtual hosts unsubscribed on this stream. */
  readonly #declined = new Set<string>();
  #connected = false;
  #nodeSent = false;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    this.#prefix = `${options.routeConfiguration ?? 'outbound'}/`;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** A stream is open: says who we are, what we hold and what we want. */
  onConnected(): ClientEffect[] {
    this.#connected = true;
    this.#nodeSent = false;
    this.#opened.clear();
    this.#askedAssignments.clear();
    this.#declined.clear();
    this.#released.clear();
    const out: ClientEffect[] = [];
    const rc = this.#prefix.slice(0, -1);
    this.#open(out, 'cds', this.#askedClusters.size > 0 ? ['*', ...this.#askedClusters] : NO_NAMES, this.#clusters);
    if (this.#options.listeners === true) this.#open(out, 'lds', NO_NAMES, this.#listeners);
    this.#open(out, 'rds', [rc], this.#routes);
    const asked = [...this.#askedHosts.keys()].map((host) => this.#prefix + host);
    const versions = new Map<string, string>();
    for (const [name, { version }] of this.#hosts) versions.set(name, version);
    for (const [host, version] of this.#askedHosts)
      if (version !== undefined && version !== '' && !versions.has(this.#prefix + host))
        versions.set(this.#prefix + host, version);
    const first = versions.size === 0 && asked.length === 0;
    this.#request(out, 'vhds', { subscribe: first ? NO_NAMES : ['*', ...asked], versions });
    const eds = this.#wanted.names();
    if (eds.length > 0) this.#askAssignments(out, eds, NO_NAMES);
    return out;
  }

  /** The stream is gone. What is held stays. */
  onDisconnected(): void {
    this.#connected = false;
  }

  /** Asks for a host (`host` or `host:port`, lower case). The answer comes as a host effect, at once if it is known. */
  ask(host: string): ClientEffect[] {
    const known = this.virtualHostOf(host);
    if (known !== undefined) return [{ kind: 'host', host, virtualHost: known }];
    if (this.#askedHosts.has(host))
      return this.#askedHosts.get(host) === undefined ? [] : [{ kind: 'host', host, virtualHost: undefined }];
    this.#askedHosts.set(host, undefined);
    this.#released.delete(host);
    this.#domains.watch(host);
    const out: ClientEffect[] = [];
    if (this.#connected) this.#request(out, 'vhds', { subscribe: [this.#prefix + host] });
    return out;
  }

  /** Asks for a cluster by name. An update effect tells when it is there; an unknown one comes without endpoints. */
  askCluster(name: string): ClientEffect[] {
    if (this.#askedClusters.has(name)) return [];
    this.#askedClusters.add(name);
    const out: ClientEffect[] = [];
    if (this.#connected) this.#request(out, 'cds', { subscribe: [name] });
    return out;
  }

  /** The virtual host that answers a host; a wildcard domain counts. */
  virtualHostOf(host: string): string | undefined {
    return this.#domains.virtualHostOf(host);
  }

  hostOf(name: string): DecodedHost | undefined {
    return this.#hosts.get(name)?.value;
  }

  cluster(name: string): DecodedCluster | undefined {
    return this.#clusters.get(name)?.value;
  }

  /** Endpoints of a cluster held; undefined: the cluster is not held, or its assignment has not come. */
  endpoints(cluster: string): readonly Endpoint[] | undefined {
    const held = this.#clusters.get(cluster)?.value;
    if (held === undefined) return undefined;
    if (held.eds === undefined) return [];
    const assignment = this.#assignments.get(held.eds);
    if (assignment?.resource === undefined) return assignment?.value;
    return decodeAssignment(assignment.resource.body).endpoints;
  }

  /** A cluster is held, and its assignment if it has one. */
  isComplete(cluster: string): boolean {
    const held = this.#clusters.get(cluster)?.value;
    return held !== undefined && (held.eds === undefined || this.#assignments.has(held.eds));
  }

  /** Bytes of what is held, with option `bodies`. The same object until it changes. */
  resource(kind: 'cds' | 'eds' | 'vhds', name: string): HeldResource | undefined {
    return this.#table(kind).get(name)?.resource;
  }

  /** How much is held. */
  counts(): { readonly clusters: number; readonly assignments: number; readonly virtualHosts: number } {
    return { clusters: this.#clusters.size, assignments: this.#assignments.size, virtualHosts: this.#hosts.size };
  }

  /** Hosts and clusters asked for and not released. */
  asked(): { readonly hosts: readonly string[]; readonly clusters: readonly string[] } {
    return { hosts: [...this.#askedHosts.keys()], clusters: [...this.#askedClusters] };
  }

  /** Gives up a host that was asked for, and its virtual host unless another host asked for is answered by it (C6). */
  release(host: string): ClientEffect[] {
    if (!this.#askedHosts.has(host)) return [];
    const virtualHost = this.virtualHostOf(host);
    this.#askedHosts.delete(host);
    this.#released.add(host);
    this.#domains.unwatch(host);
    const unsubscribe = [this.#prefix + host];
    const out: ClientEffect[] = [];
    if (
      virtualHost !== undefined &&
      ![...this.#askedHosts.keys()].some((one) => this.virtualHostOf(one) === virtualHost)
    ) {
      if (virtualHost !== this.#prefix + host) unsubscribe.push(virtualHost);
      this.#hosts.delete(virtualHost);
      this.#domains.apply([{ name: virtualHost, domains: NO_NAMES }]);
      this.#declined.add(virtualHost);
      out.push({ kind: 'update', type: 'vhds', changed: NO_NAMES, removed: [virtualHost] });
    }
    if (this.#connected) this.#request(out, 'vhds', { unsubscribe });
    return out;
  }

  /** Gives up a cluster that was asked for by name (C6). */
  releaseCluster(name: string): ClientEffect[] {
    if (!this.#askedClusters.delete(name)) return [];
    const out: ClientEffect[] = [];
    if (this.#connected) this.#request(out, 'cds', { unsubscribe: [name] });
    return out;
  }

  /**
   * Takes what an earlier life of this client held, before the first stream, which names it (C7). Gives why some of it was left out:
   * what would be refused from a control plane is not taken from a disk.
   */
  restore(earlier: EarlierLife): string[] {
    for (const host of earlier.hosts) {
      this.#askedHosts.set(host, undefined);
      this.#domains.watch(host);
    }
    for (const cluster of earlier.clusters) this.#askedClusters.add(cluster);
    const problems: string[] = [];
    // Assignments are kept for clusters held only: clusters first.
    for (const type of ['cds', 'eds', 'vhds'] as const)
      for (const { name, version, body } of earlier[type]) {
        const resources = [{ name, version, body, typeUrl: URLS[type], aliases: NO_NAMES }];
        const problem = this.#take(type, { resources, removed: NO_NAMES }, []);
        if (problem !== undefined) problems.push(`${type} ${name}: ${problem}`);
      }
    return problems;
  }

  /** Name -> version of everything held of a type. */
  versions(type: ResourceKind): ReadonlyMap<string, string> {
    const versions = new Map<string, string>();
    for (const [name, { version }] of this.#table(type)) versions.set(name, version);
    return versions;
  }

  onResponse(response: DeltaResponse): ClientEffect[] {
    const out: ClientEffect[] = [];
    const type = KINDS.get(response.typeUrl);
    if (type === undefined) {
      out.push({ kind: 'request', request: this.#message(response.typeUrl, { responseNonce: response.nonce }) });
      return out;
    }
    const error = this.#take(type, response, out);
    const eds = type === 'cds' && error === undefined ? this.#wanted.difference(this.#askedAssignments) : undefined;
    this.#request(out, type, {
      responseNonce: response.nonce,
      ...(error === undefined ? {} : { errorDetail: { code: INTERNAL, message: error } }),
    });
    if (error !== undefined) out.push({ kind: 'refused', type, message: error });
    if (type === 'vhds' && error === undefined && this.#released.size > 0) this.#declineLate(response, out);
    if (eds !== undefined && (eds.come.length > 0 || eds.gone.length > 0)) {
      this.#askAssignments(out, eds.come, eds.gone);
      const removed = eds.gone.filter((name) => this.#assignments.delete(name));
      if (removed.length > 0) out.push({ kind: 'update', type: 'eds', changed: NO_NAMES, removed });
    }
    return out;
  }

  /** Takes a response whole, or says why not. */
  #take(type: ResourceKind, { resources, removed }: Changes, out: ClientEffect[]): string | undefined {
    const names = new Set<string>();
    const changes: { readonly name: string; readonly held: Held<unknown> | undefined }[] = [];
    for (const resource of resources) {
      const { name, version } = resource;
      if (names.has(name)) return `duplicate name ${name} found among added resources`;
      names.add(name);
      const refusal = this.#options.refuse?.(type, name, version);
      if (refusal !== undefined) return refusal;
      const decoded = decodeResource(type, resource, this.#options);
      if ('error' in decoded) return decoded.error;
      changes.push({ name, held: type === 'vhds' && this.#isDeclined(name, decoded.held) ? undefined : decoded.held });
    }
    for (const name of removed) {
      if (names.has(name)) return `duplicate name ${name} found in the union of added+removed resources`;
      names.add(name);
    }
    if (type === 'vhds') {
      const conflict = this.#conflict(changes as readonly HostChange[], removed);
      if (conflict !== undefined) return conflict;
    }
    const table = this.#table(type);
    // An assignment that no cluster of ours uses is accepted and not kept.
    const changed: string[] = [];
    for (const { name, held } of changes) {
      if (held === undefined || (type === 'eds' && !this.#wanted.has(name))) continue;
      changed.push(name);
      if (type === 'cds') this.#wanted.move(this.#edsOf(name), (held.value as DecodedCluster).eds);
      table.set(name, held);
    }
    if (type === 'cds') for (const name of removed) this.#wanted.move(this.#edsOf(name), undefined);
    const gone = removed.filter((name) => table.delete(name));
    if (type === 'vhds') this.#reindex(changes as readonly HostChange[], removed, resources, out);
    if (changed.length > 0 || gone.length > 0) out.push({ kind: 'update', type, changed, removed: gone });
    return undefined;
  }

  /** C6: it answers hosts that were released, and none that is asked for. */
  #isDeclined(name: string, held: Held<unknown> | undefined): boolean {
    if (held === undefined || this.#released.size === 0 || this.#hosts.has(name)) return false;
    const { domains } = held.value as DecodedHost;
    if (domains.some((domain) => this.#askedHosts.has(domain) || domain.startsWith('*'))) {
      this.#declined.delete(name);
      return false;
    }
    return this.#declined.has(name) || domains.some((domain) => this.#released.has(domain));
  }

  /** The server answered before it was told of the release: what it believes to be held is unsubscribed. */
  #declineLate({ resources }: DeltaResponse, out: ClientEffect[]): void {
    const late = resources.filter(
      ({ name, body }) => body !== undefined && !this.#hosts.has(name) && !this.#declined.has(name),
    );
    if (late.length === 0) return;
    const unsubscribe = late.map(({ name }) => name);
    for (const name of unsubscribe) this.#declined.add(name);
    this.#request(out, 'vhds', { unsubscribe });
  }

  /** C5 */
  #conflict(changes: readonly HostChange[], removed: readonly string[]): string | undefined {
    const domain = this.#domains.conflict([
      ...removed.map((name) => ({ name, domains: NO_NAMES })),
      ...changes.map(({ name, held }) => ({ name, domains: held?.value.domains ?? NO_NAMES })),
    ]);
    return domain === undefined
      ? undefined
      : `Only unique values for domains are permitted. Duplicate entry of domain ${domain}`;
  }

  /** Domains of what changed, and answers to the hosts asked for that they touch. */
  #reindex(
    changes: readonly HostChange[],
    removed: readonly string[],
    resources: readonly DecodedResource[],
    out: ClientEffect[],
  ): void {
    const kept = changes.flatMap(({ name, held }) =>
      held === undefined ? [] : [{ name, domains: held.value.domains }],
    );
    const answers = this.#domains.apply([...removed.map((name) => ({ name, domains: NO_NAMES })), ...kept]);
    const negatives = new Map<string, string>();
    for (const { name, version, body } of resources) if (body === undefined) negatives.set(name, version);
    const touched = new Map(answers.map((answer) => [answer.host, answer]));
    const came = new Set(resources.map(({ name }) => name));
    for (const name of negatives.keys()) {
      const host = name.slice(this.#prefix.length);
      if (touched.has(host) || !name.startsWith(this.#prefix) || !this.#askedHosts.has(host)) continue;
      const now = this.virtualHostOf(host);
      touched.set(host, { host, before: now, after: now });
    }
    for (const { host, before, after } of touched.values()) {
      const said = negatives.get(this.#prefix + host);
      if (after !== undefined) {
        this.#askedHosts.set(host, undefined);
        if (before !== after || came.has(after)) out.push({ kind: 'host', host, virtualHost: after });
      } else if (said !== undefined || before !== undefined) {
        this.#askedHosts.set(host, said ?? this.#askedHosts.get(host) ?? '');
        out.push({ kind: 'host', host, virtualHost: undefined });
      }
    }
  }

  #table(type: ResourceKind): Map<string, Held<unknown>> {
    const tables: Readonly<Record<ResourceKind, Map<string, Held<unknown>>>> = {
      cds: this.#clusters,
      eds: this.#assignments,
      vhds: this.#hosts,
      lds: this.#listeners,
      rds: this.#routes,
    };
    return tables[type];
  }

  #edsOf(cluster: string): string | undefined {
    return this.#clusters.get(cluster)?.value.eds;
  }

  /** C4 */
  #askAssignments(out: ClientEffect[], come: readonly string[], gone: readonly string[]): void {
    for (const name of come) this.#askedAssignments.add(name);
    for (const name of gone) this.#askedAssignments.delete(name);
    if (this.#opened.has('eds')) this.#request(out, 'eds', { subscribe: come, unsubscribe: gone });
    else this.#open(out, 'eds', come, this.#assignments);
  }

  #open(
    out: ClientEffect[],
    type: ResourceKind,
    subscribe: readonly string[],
    held: ReadonlyMap<string, Held<unknown>>,
  ): void {
    const versions = new Map<string, string>();
    for (const [name, { version }] of held) versions.set(name, version);
    this.#request(out, type, { subscribe, versions });
  }

  #request(out: ClientEffect[], type: ResourceKind, parts: RequestParts): void {
    this.#opened.add(type);
    out.push({ kind: 'request', request: this.#message(URLS[type], parts) });
  }

  #message(typeUrl: string, parts: RequestParts): DeltaRequest {
    const node = this.#nodeSent ? {} : { node: this.#options.node };
    this.#nodeSent = true;
    return {
      ...node,
      typeUrl,
      subscribe: parts.subscribe ?? NO_NAMES,
      unsubscribe: parts.unsubscribe ?? NO_NAMES,
      initialResourceVersions: parts.versions ?? NO_VERSIONS,
      responseNonce: parts.responseNonce ?? '',
      ...(parts.errorDetail === undefined ? {} : { errorDetail: parts.errorDetail }),
    };
  }
}

/** What was held, and asked for, when an earlier process ended. */
export interface EarlierLife {
  readonly cds: readonly HeldResource[];
  readonly eds: readonly HeldResource[];
  readonly vhds: readonly HeldResource[];
  readonly hosts: readonly string[];
  readonly clusters: readonly string[];
}

type Changes = Pick<DeltaResponse, 'resources' | 'removed'>;

interface RequestParts {
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly versions?: ReadonlyMap<string, string>;
  readonly responseNonce?: string;
  readonly errorDetail?: { readonly code: number; readonly message: string };
}

interface HostChange {
  readonly name: string;
  readonly held: Held<DecodedHost> | undefined;
}
