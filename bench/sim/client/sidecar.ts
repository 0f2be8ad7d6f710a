/**
 * One simulated sidecar: a client session of this repository, on a gRPC stream. It asks for the hosts that it depends on when its virtual
 * hosts are first answered, as an Envoy does on first requests, and keeps of what it holds the versions only.
 *
 * S1 An arrival is a change that the new version of an assignment has and the version held before had not; its time was taken when the
 *    message had been read, before anything was decoded.
 * S2 Foreign: a cluster, assignment or virtual host of a service that it neither depends on nor belongs to.
 * S3 Repeated: a resource with a body, in the version that is held already. Not counted: the answer to its own question, once, when a push
 *    of the same host (learned from a sibling) overtook it; the protocol demands an answer to every question.
 * S4 What the session refused is not held.
 */
import { decodeDeltaResponse, encodeDeltaRequest } from '../../../src/proto/index.ts';
import { type ClientEffect, ClientSession } from '../../../src/sidecar-client/index.ts';
import { NAMESPACE, type SimMesh } from '../mesh.ts';
import type { Assignments, SeenAssignment } from './assignments.ts';
import type { ClientCounts } from './messages.ts';
import { withPadding } from './node-padding.ts';
import type { SimStream } from './wire.ts';

type Kind = 'cds' | 'eds' | 'vhds' | 'rds' | 'lds' | 'other';

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ['type.googleapis.com/envoy.config.cluster.v3.Cluster', 'cds'],
  ['type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment', 'eds'],
  ['type.googleapis.com/envoy.config.route.v3.VirtualHost', 'vhds'],
  ['type.googleapis.com/envoy.config.route.v3.RouteConfiguration', 'rds'],
  ['type.googleapis.com/envoy.config.listener.v3.Listener', 'lds'],
]);
const HOST_PREFIX = 'outbound/';
const EXAMPLES = 10;

/** Shared by all sidecars of a process. */
export interface SidecarContext {
  readonly mesh: SimMesh;
  readonly assignments: Assignments;
  readonly counts: ClientCounts;
  readonly examples: string[];
  readonly needsAll: boolean;
  readonly prefix: string;
  readonly onArrival: (change: number, at: number) => void;
  readonly onComplete: (sidecar: SimSidecar) => void;
  readonly onAnswered: (at: number) => void;
}

export class SimSidecar {
  readonly index: number;
  readonly session: ClientSession;
  /** First dial, monotonic ms. */
  dialed = 0;
  isComplete = false;
  /** The server has answered on the present stream. */
  isConnected = false;
  readonly #context: SidecarContext;
  readonly #deps: ReadonlySet<number>;
  readonly #own: number;
  readonly #clusters = new Map<string, string>();
  readonly #hosts = new Map<string, string>();
  readonly #assigned = new Map<string, SeenAssignment>();
  #stream: SimStream | undefined;
  #missing: number;
  #hasAsked = false;
  #streams = 0;
  /** Virtual hosts that it asked for, and that have not come twice. */
  readonly #questions = new Set<string>();

  constructor(index: number, context: SidecarContext) {
    const { mesh, needsAll, prefix } = context;
    this.index = index;
    this.#context = context;
    this.#own = mesh.serviceOf(index);
    this.#deps = new Set(needsAll ? mesh.services.keys() : mesh.depsOf(index));
    // Cluster, assignment and virtual host of each; TCP has no virtual host.
    this.#missing = 0;
    for (const dep of this.#deps) this.#missing += mesh.services[dep]?.protocol === 'tcp' ? 2 : 3;
    const service = mesh.services[this.#own]?.name ?? '';
    this.session = new ClientSession({
      node: {
        id: `${prefix}-${index}`,
        cluster: `${service}.${NAMESPACE}`,
        metadata: { service, namespace: NAMESPACE, ...(needsAll ? { needs: 'all' } : {}) },
        locality: { region: 'sim', zone: `zone-${index % 3}`, subzone: '' },
        userAgentName: 'envoy',
        clientFeatures: ['envoy.lb.does_not_support_overprovisioning'],
      },
      listeners: true,
    });
  }

  opened(stream: SimStream): void {
    this.#stream = stream;
    this.isConnected = false;
    if (this.#streams++ > 0) this.#context.counts.reconnects++;
    this.run(this.session.onConnected());
    if (this.#missing === 0) this.#completed();
  }

  lost(): void {
    this.#stream = undefined;
    this.isConnected = false;
    this.session.onDisconnected();
  }

  /** `at`: when the message had been read. */
  take(message: Buffer, at: number): void {
    const { counts, assignments, onAnswered } = this.#context;
    const response = decodeDeltaResponse(message);
    const kind = KINDS.get(response.typeUrl) ?? 'other';
    if (!this.isConnected) {
      this.isConnected = true;
      onAnswered(at);
    }
    counts.pushes++;
    counts.resources += response.resources.length;
    counts.bytes[kind] += message.length;
    if (message.length > counts.largestPush) counts.largestPush = message.length;
    for (const { name, body } of response.resources) {
      const size = this.#streams > 1 ? name.length + (body?.length ?? 0) : 0;
      if (kind === 'lds') counts.listenerBytes += size;
      else counts.resourceBytes += size;
    }
    const bare =
      kind === 'eds'
        ? {
            ...response,
            resources: response.resources.map((resource) => ({
              ...resource,
              body: assignments.withoutEndpoints(resource.name),
            })),
          }
        : response;
    const effects = this.session.onResponse(bare);
    this.run(effects);
    if (!effects.some((effect) => effect.kind === 'refused')) {
      for (const { name, version, body } of response.resources)
        if (body !== undefined) this.#hold(kind, name, version, body, at);
      for (const name of response.removed) this.#forget(kind, name);
    }
    if (kind === 'vhds' && !this.#hasAsked) this.#ask();
    if (this.#missing === 0) this.#completed();
  }

  run(effects: readonly ClientEffect[]): void {
    for (const effect of effects)
      if (effect.kind === 'request')
        this.#stream?.send(
          effect.request.node === undefined ? encodeDeltaRequest(effect.request) : withPadding(effect.request),
        );
      else if (effect.kind === 'refused') {
        this.#context.counts.refused++;
        this.#example(`${this.index} refused: ${effect.message}`);
      }
  }

  #ask(): void {
    this.#hasAsked = true;
    if (this.#context.needsAll) return;
    const { mesh } = this.#context;
    for (const dep of this.#deps) {
      if (mesh.services[dep]?.protocol === 'tcp') continue;
      const name = mesh.nameOf(dep);
      if (this.#hosts.has(HOST_PREFIX + name)) continue;
      this.#questions.add(HOST_PREFIX + name);
      this.run(this.session.ask(name));
    }
  }

  #completed(): void {
    if (this.isComplete) return;
    this.isComplete = true;
    this.#context.onComplete(this);
  }

  #hold(kind: Kind, name: string, version: string, body: Uint8Array, at: number): void {
    if (kind !== 'cds' && kind !== 'eds' && kind !== 'vhds') return;
    const { mesh, assignments, counts, onArrival } = this.#context;
    const service = mesh.indexOf(kind === 'vhds' ? name.slice(HOST_PREFIX.length) : name);
    const isDep = service !== undefined && this.#deps.has(service);
    if (!isDep && service !== this.#own && !name.startsWith('inbound')) {
      counts.foreign++; // S2
      this.#example(`${this.index} foreign: ${kind} ${name}`);
    }
    const before = kind === 'eds' ? this.#assigned.get(name) : undefined;
    const held = kind === 'eds' ? before?.version : this.#table(kind).get(name);
    if (held === version && !(kind === 'vhds' && this.#questions.delete(name))) {
      counts.repeated++; // S3
      this.#example(`${this.index} repeated: ${kind} ${name} ${version}`);
    }
    if (isDep && held === undefined) this.#missing--;
    if (kind !== 'eds') {
      this.#table(kind).set(name, version);
      return;
    }
    const seen = assignments.take(name, version, body);
    for (const change of seen.changes) if (before?.changes.has(change) !== true) onArrival(change, at); // S1
    if (before !== undefined) assignments.drop(before);
    this.#assigned.set(name, seen);
  }

  #forget(kind: Kind, name: string): void {
    const seen = kind === 'eds' ? this.#assigned.get(name) : undefined;
    if (seen !== undefined) this.#context.assignments.drop(seen);
    const was = kind === 'eds' ? this.#assigned.delete(name) : this.#table(kind).delete(name);
    const service = this.#context.mesh.indexOf(kind === 'vhds' ? name.slice(HOST_PREFIX.length) : name);
    if (was && service !== undefined && this.#deps.has(service)) this.#missing++;
  }

  #table(kind: Kind): Map<string, string> {
    return kind === 'vhds' ? this.#hosts : this.#clusters;
  }

  #example(text: string): void {
    if (this.#context.examples.length < EXAMPLES) this.#context.examples.push(text);
  }

  /** Clusters and virtual hosts of what it depends on: name with its kind before it, and version. */
  *versions(): Iterable<readonly [key: string, version: string]> {
    for (const dep of this.#deps) {
      const name = this.#context.mesh.nameOf(dep);
      const [cluster, host] = [this.#clusters.get(name), this.#hosts.get(HOST_PREFIX + name)];
      if (cluster !== undefined) yield [`cds ${name}`, cluster];
      if (host !== undefined) yield [`vhds ${name}`, host];
    }
  }

  /** What it should hold and does not, in words. `versions`: of clusters and virtual hosts, those that most holders have. */
  differences(truth: readonly (readonly string[])[], versions: ReadonlyMap<string, string>): string[] {
    const { mesh } = this.#context;
    const out: string[] = [];
    for (const [key, version] of this.versions())
      if (versions.get(key) !== version) out.push(`${this.index} has another ${key}`);
    for (const dep of this.#deps) {
      const name = mesh.nameOf(dep);
      if (!this.#clusters.has(name)) out.push(`${this.index} lacks cds ${name}`);
      if (mesh.services[dep]?.protocol !== 'tcp' && !this.#hosts.has(HOST_PREFIX + name))
        out.push(`${this.index} lacks vhds ${name}`);
      const assigned = this.#assigned.get(name);
      if (assigned === undefined) out.push(`${this.index} lacks eds ${name}`);
      else if (!isSame(assigned.addresses, truth[dep] ?? [])) out.push(`${this.index} has another eds ${name}`);
    }
    return out;
  }
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((address, index) => address === b[index]);
