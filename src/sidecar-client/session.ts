/**
 * The client side of an aggregated delta stream: a pure machine. Facts in (connected, responses, questions, disconnected), effects out.
 *
 * It asks as a stock Envoy of this mesh does: wildcard clusters, one route configuration with virtual hosts on demand, assignments of
 * the clusters it was given; and like Envoy it keeps what it holds while disconnected and names it on the next stream.
 *
 * Invariants (cited by the tests as C1, C2, …):
 *  C1 Every response is acknowledged or rejected, once, in order. Nothing of a rejected response is taken.
 *  C2 A host or cluster is asked for once until it is released; the next stream's first message names it again. A host that is answered
 *     by a virtual host held is asked for when it is answered no more, or takes the place of the released host for which that one came.
 *  C3 The first message of a type on a stream, and only that, carries the versions held; only the stream's first message the node.
 *  C4 Assignments are asked for exactly for the EDS clusters held.
 *  C5 No domain is held by two virtual hosts: such a response is rejected as Envoy does.
 *  C6 What is released is unsubscribed once and named by no later stream. A virtual host goes at once, as in Envoy, and comes back by a
 *     question; its clusters and assignments go when the server removes them.
 *  C7 What is restored is named on the first stream with its versions, like what is held after a lost stream.
 */
import type { DeltaResponse, ProtoNode } from '../proto/wire.ts';
import type { ConfigKind, HeldResource } from './config-source.ts';
import type { DecodedCluster, DecodedHost, Endpoint } from './decode.ts';
import type { EarlierLife, RestoredKind } from './earlier-life.ts';
import type { ClientEffect } from './effect.ts';
import { Holdings } from './holdings.ts';
import { KINDS, type ResourceKind } from './kinds.ts';
import { StreamRequests } from './stream-requests.ts';

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

export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #routeConfiguration: string;
  readonly #holdings: Holdings;
  readonly #askedClusters = new Set<string>();
  /** Hosts and clusters asked for that were not asked for already, since the start. */
  questions = 0;
  readonly #requests: StreamRequests;
  /** Assignments asked for on this stream. */
  readonly #askedAssignments = new Set<string>();
  #connected = false;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    this.#requests = new StreamRequests(options.node);
    this.#routeConfiguration = options.routeConfiguration ?? 'outbound';
    this.#holdings = new Holdings(`${this.#routeConfiguration}/`, options);
  }

  /** What is held, with all that an earlier process left. */
  get #held(): Holdings {
    this.#holdings.settle();
    return this.#holdings;
  }

  /** The same for who looks at this resource alone. */
  #with(kind: RestoredKind, name: string): Holdings {
    if (!this.#holdings.early(kind, name) || this.#holdings.table(kind).has(name)) return this.#holdings;
    return this.#held;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** A stream is open: says who we are, what we hold and what we want. */
  onConnected(): ClientEffect[] {
    this.#connected = true;
    this.#requests.begin();
    this.#askedAssignments.clear();
    const out: ClientEffect[] = [];
    this.#requests.open(
      out,
      'cds',
      this.#askedClusters.size > 0 ? ['*', ...this.#askedClusters] : NO_NAMES,
      this.#held.clusters,
    );
    if (this.#options.listeners === true) this.#requests.open(out, 'lds', NO_NAMES, this.#held.listeners);
    this.#requests.open(out, 'rds', [this.#routeConfiguration], this.#held.routes);
    this.#requests.add(out, 'vhds', this.#held.hosts.begin());
    const eds = this.#held.wanted.names();
    if (eds.length > 0) this.#askAssignments(out, eds, NO_NAMES);
    return out;
  }

  /** The stream is gone. What is held stays. */
  onDisconnected(): void {
    this.#connected = false;
  }

  /** Asks for a host (`host` or `host:port`, lower case). The answer comes as a host effect, at once if it is known. */
  ask(host: string): ClientEffect[] {
    const virtualHost = this.#holdings.wasAsked(host) ? this.virtualHostOf(host) : undefined;
    if (virtualHost !== undefined) return [{ kind: 'host', host, virtualHost }];
    const asked = this.#held.hosts.ask(host);
    if ('known' in asked) return [...asked.known];
    this.questions += 1;
    const out: ClientEffect[] = [];
    if (this.#connected) this.#requests.add(out, 'vhds', { subscribe: [asked.subscribe] });
    return out;
  }

  /** Asks for a cluster by name. An update effect tells when it is there; an unknown one comes without endpoints. */
  askCluster(name: string): ClientEffect[] {
    if (this.#askedClusters.has(name)) return [];
    this.#askedClusters.add(name);
    this.questions += 1;
    const out: ClientEffect[] = [];
    if (this.#connected) this.#requests.add(out, 'cds', { subscribe: [name] });
    return out;
  }

  /** A cluster was asked for by name, and not released. */
  isAsked(cluster: string): boolean {
    return this.#askedClusters.has(cluster);
  }

  /** The virtual host that answers a host; a wildcard domain counts. */
  virtualHostOf(host: string): string | undefined {
    if (this.#holdings.isUntaken) {
      // One that was asked for has its name of the host; no other answers it before that one.
      const name = `${this.#routeConfiguration}/${host}`;
      if (this.hostOf(name)?.domains.includes(host) === true) return name;
    }
    return this.#held.hosts.virtualHostOf(host);
  }

  hostOf(name: string): DecodedHost | undefined {
    return this.#with('vhds', name).hosts.held.get(name)?.value;
  }

  cluster(name: string): DecodedCluster | undefined {
    return this.#with('cds', name).clusters.get(name)?.value;
  }

  #withAssignment(cluster: string): Holdings {
    const eds = this.cluster(cluster)?.eds;
    return eds === undefined ? this.#holdings : this.#with('eds', eds);
  }

  /** Endpoints of a cluster held; undefined: the cluster is not held, or its assignment has not come. */
  endpoints(cluster: string): readonly Endpoint[] | undefined {
    return this.#withAssignment(cluster).endpoints(cluster);
  }

  /** A cluster is held, and its assignment if it has one. */
  isComplete(cluster: string): boolean {
    return this.#withAssignment(cluster).isComplete(cluster);
  }

  /** Bytes of what is held, with option `bodies`. The same object until it changes. */
  resource(kind: 'cds' | 'eds' | 'vhds', name: string): HeldResource | undefined {
    return this.#with(kind, name).table(kind).get(name)?.resource;
  }

  /** How much is held. */
  counts(): { readonly clusters: number; readonly assignments: number; readonly virtualHosts: number } {
    return {
      clusters: this.#held.clusters.size,
      assignments: this.#held.assignments.size,
      virtualHosts: this.#held.hosts.held.size,
    };
  }

  /** Hosts and clusters asked for and not released. */
  asked(): { readonly hosts: readonly string[]; readonly clusters: readonly string[] } {
    return { hosts: this.#held.hosts.asked(), clusters: [...this.#askedClusters] };
  }

  /** Gives up a host that was asked for, and its virtual host unless another host asked for is answered by it (C6). */
  release(host: string): ClientEffect[] {
    const released = this.#held.hosts.release(host);
    if (released === undefined) return [];
    const { unsubscribe, subscribe, gone } = released;
    const out: ClientEffect[] = [];
    if (gone !== undefined) out.push({ kind: 'update', type: 'vhds', changed: NO_NAMES, removed: [gone] });
    this.questions += subscribe.length;
    if (this.#connected && subscribe.length + unsubscribe.length > 0)
      this.#requests.add(out, 'vhds', { subscribe, unsubscribe });
    return out;
  }

  /** Gives up a cluster that was asked for by name (C6). */
  releaseCluster(name: string): ClientEffect[] {
    if (!this.#askedClusters.delete(name)) return [];
    const out: ClientEffect[] = [];
    if (this.#connected) this.#requests.add(out, 'cds', { unsubscribe: [name] });
    return out;
  }

  /**
   * Takes what an earlier life of this client held, before the first stream, which names it (C7). Gives why some of it was left out:
   * what would be refused from a control plane is not taken from a disk.
   */
  restore(earlier: EarlierLife): string[] {
    for (const cluster of earlier.clusters) this.#askedClusters.add(cluster);
    return this.#held.restore(earlier);
  }

  /** The same when it is needed: what is asked for alone is taken at once, the rest before the first stream. `onProblem`: as `restore`. */
  restoreLater(earlier: EarlierLife, onProblem: (why: string) => void): void {
    for (const cluster of earlier.clusters) this.#askedClusters.add(cluster);
    this.#holdings.restoreLater(earlier, onProblem);
  }

  /** Name -> version of everything held of a type. */
  versions(type: ResourceKind): ReadonlyMap<string, string> {
    const versions = new Map<string, string>();
    for (const [name, { version }] of this.#held.table(type)) versions.set(name, version);
    return versions;
  }

  onResponse(response: DeltaResponse): ClientEffect[] {
    const out: ClientEffect[] = [];
    const type = KINDS.get(response.typeUrl);
    if (type === undefined) {
      out.push({
        kind: 'request',
        request: this.#requests.message(response.typeUrl, { responseNonce: response.nonce }),
      });
      return out;
    }
    const error = this.#held.take(type, response, out);
    const eds =
      type === 'cds' && error === undefined ? this.#held.wanted.difference(this.#askedAssignments) : undefined;
    this.#requests.add(out, type, {
      responseNonce: response.nonce,
      ...(error === undefined ? {} : { errorDetail: { code: INTERNAL, message: error } }),
    });
    if (error !== undefined) out.push({ kind: 'refused', type, message: error });
    if (type === 'vhds' && error === undefined) {
      const unsubscribe = this.#held.hosts.late(response.resources);
      const subscribe = this.#held.hosts.takeOrphans();
      this.questions += subscribe.length;
      if (subscribe.length + unsubscribe.length > 0) this.#requests.add(out, 'vhds', { subscribe, unsubscribe });
    }
    if (eds !== undefined && (eds.come.length > 0 || eds.gone.length > 0)) {
      this.#askAssignments(out, eds.come, eds.gone);
      const removed = eds.gone.filter((name) => this.#held.assignments.delete(name));
      if (removed.length > 0) out.push({ kind: 'update', type: 'eds', changed: NO_NAMES, removed });
    }
    return out;
  }

  /** C4 */
  #askAssignments(out: ClientEffect[], come: readonly string[], gone: readonly string[]): void {
    for (const name of come) this.#askedAssignments.add(name);
    for (const name of gone) this.#askedAssignments.delete(name);
    if (this.#requests.hasOpened('eds')) this.#requests.add(out, 'eds', { subscribe: come, unsubscribe: gone });
    else this.#requests.open(out, 'eds', come, this.#held.assignments);
  }
}
