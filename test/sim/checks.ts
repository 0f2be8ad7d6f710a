/**
 * The invariants that are looked at while a run goes on (reference/reliability.md, section 4b).
 *
 * I1 What was acknowledged is in the log, under its offset, and stays there.
 * I2 The log is a total order: offsets without a gap, times that never go back, records that never change.
 * I3 Whatever a replica commits at an offset has the hash and the chain that everybody has there, and lies in the durable log.
 * I4 What a stream sends is the version of the state it stands at, and that never goes back; nor does it from stream to stream, unless a
 *    sidecar moves to a replica that is behind, or one that lost power.
 * I5 Whenever a sidecar has taken a response, all clusters that its virtual hosts use are there; when a virtual host comes, so are their
 *    assignments. (A cluster that changes may wait for its assignment: Envoy goes on with the old one.) It refuses nothing.
 * I6 A resource with content is sent only if its service is visible for the caller and not denied, and it was asked for, or its caller's
 *    edges bring it.
 * I7, I8: `rest.ts`.
 */
import { emptyAssignment, emptyCluster, resourceKey } from '../../src/compile/index.ts';
import type { NodeView, ResourceType, SentResource } from '../../src/delta-xds/index.ts';
import { parseClusterName, servicePort } from '../../src/model/index.ts';
import type { StateProof } from '../../src/projector/index.ts';
import { type DeltaRequest, type DeltaResponse, EDS, VHDS } from '../../src/proto/index.ts';
import type { Oracle } from './oracle.ts';
import type { Sidecar } from './sidecar.ts';
import type { World } from './world.ts';

export interface Sent {
  readonly sidecar: Sidecar;
  readonly stream: string;
  readonly offset: number;
  readonly type: ResourceType;
  readonly resources: readonly SentResource[];
  readonly removed: readonly string[];
  readonly view: NodeView;
}

interface Taken {
  readonly offset: number;
  readonly version: string;
  /** Replica, and how often it had lost power. */
  readonly from: string;
}

/** Name on the wire without its route configuration. */
export const bareName = (type: string, name: string): string =>
  type === 'vhds' ? name.slice(name.indexOf('/') + 1) : name;

/** A cluster and its assignment are one thing. */
const givenKey = (type: string, name: string): string => `${type === 'vhds' ? 'host' : 'cluster'} ${name}`;

export class Checks {
  readonly #world: World;
  readonly #oracle: Oracle;
  /** Offset of what each stream carried last. */
  readonly #streams = new Map<string, number>();
  /** What each stream was sent, and not told to forget. */
  readonly #given = new Map<string, Set<string>>();
  /** By sidecar, type and name. */
  readonly #taken = new Map<string, Map<string, Taken>>();
  /** Names that a sidecar said it holds, when a stream began. */
  readonly #brought = new Map<string, Set<string>>();
  /** Assignments that a sidecar asks for on its stream. */
  readonly #assignments = new Map<string, Set<string>>();
  /** Looked at since the start: a check that never looks finds nothing. */
  readonly counters = { commits: 0, answers: 0, sent: 0, received: 0, wentBack: 0 };

  constructor(world: World, oracle: Oracle) {
    this.#world = world;
    this.#oracle = oracle;
  }

  /** I1: an author has been told that its event stands at this offset, with this status. */
  acknowledged(id: string, offset: number, status: string): void {
    this.counters.answers++;
    const text = this.#oracle.records[offset - 1]?.toString('latin1', 8);
    if (text?.startsWith(`{"id":"${id}"`) !== true) {
      this.#world.violated('I1', `event ${id} was acknowledged at ${offset}, where there is ${text?.slice(0, 60)}`);
      return;
    }
    const decided = this.#oracle.outcomes.get(offset)?.status;
    if (status !== 'pending' && status !== 'duplicate' && decided !== undefined && decided !== status)
      this.#world.violated('I3', `event ${id} at ${offset} was answered ${status}, and is ${decided}`);
  }

  /** I3 */
  committed(replica: string, proof: StateProof | undefined): void {
    if (proof === undefined) return;
    this.counters.commits++;
    const stand = this.#oracle.standAt(proof.offset);
    if (stand === undefined) {
      // I1: a state that leads the log loses what it holds with the next power cut.
      const isAhead = proof.offset > this.#oracle.through;
      this.#world.violated(
        isAhead ? 'I1' : 'I3',
        `${replica} stands at ${proof.offset}; the durable log ends at ${this.#oracle.through}`,
      );
    } else if (stand.hash !== proof.hash || stand.chain !== proof.chain)
      this.#world.violated(
        'I3',
        `${replica} has hash ${proof.hash.slice(0, 12)} at ${proof.offset}, not ${stand.hash.slice(0, 12)}`,
      );
  }

  requested(sidecar: Sidecar, request: DeltaRequest): void {
    let names = this.#brought.get(sidecar.name);
    if (names === undefined) {
      names = new Set();
      this.#brought.set(sidecar.name, names);
    }
    if (request.node !== undefined) this.#assignments.delete(sidecar.name);
    if (request.typeUrl === EDS) {
      const asked = this.#assignments.get(sidecar.name) ?? new Set();
      for (const name of request.subscribe) asked.add(name);
      for (const name of request.unsubscribe) asked.delete(name);
      this.#assignments.set(sidecar.name, asked);
    }
    for (const name of request.initialResourceVersions.keys()) names.add(bareName('vhds', name)).add(name);
  }

  /** I4, I6 */
  sent({ sidecar, stream, offset, type, resources, removed, view }: Sent): void {
    this.counters.sent += resources.length;
    const last = this.#streams.get(stream) ?? 0;
    if (offset < last) this.#world.violated('I4', `${stream} sends from ${offset} after ${last}`);
    this.#streams.set(stream, offset);
    if (type !== 'cds' && type !== 'eds' && type !== 'vhds') return;
    let given = this.#given.get(stream);
    if (given === undefined) {
      given = new Set();
      this.#given.set(stream, given);
    }
    for (const name of removed) given.delete(givenKey(type, bareName(type, name)));
    for (const { name, version, body } of resources) {
      const bare = bareName(type, name);
      const parsed = parseClusterName(bare);
      if (body === undefined || parsed === undefined) continue;
      const port = servicePort(parsed.service, parsed.port);
      const expected = this.#versionAt(sidecar, type, bare, offset);
      const mayHold = this.#oracle.mayHold(sidecar.caller, parsed.service, parsed.port, offset);
      const isGiven = given.has(givenKey(type, bare));
      given.add(givenKey(type, bare));
      // Its cluster has been taken away, and it has not unsubscribed yet.
      const isAsked = type === 'eds' && this.#assignments.get(sidecar.name)?.has(bare) === true;
      if (isPlaceholder(type, bare, version)) continue;
      if (!mayHold)
        this.#world.violated('I6', `${sidecar.name} is sent ${type} ${name}, which it may not see at ${offset}`);
      else if (version !== expected)
        this.#world.violated('I4', `${type} ${name} is sent as ${version}; at ${offset} it is ${expected}`);
      // What it has is kept up to date until it is taken away, also when nothing leads to it any more.
      else if (!isGiven && !isAsked && !this.#isWanted(sidecar, parsed.service, port, bare, offset, view))
        this.#world.violated('I6', `${sidecar.name} is sent ${type} ${name} and neither asked nor has an edge`);
    }
  }

  /** I4, I5 */
  received(sidecar: Sidecar, response: DeltaResponse, stream: string, offset: number): void {
    this.counters.received++;
    let taken = this.#taken.get(sidecar.name);
    if (taken === undefined) {
      taken = new Map();
      this.#taken.set(sidecar.name, taken);
    }
    const from = `${stream.slice(0, stream.indexOf(' '))} ${sidecar.replica?.cuts ?? ''}`;
    for (const { name, version } of response.resources) {
      const key = `${response.typeUrl}|${name}`;
      const before = taken.get(key);
      taken.set(key, { offset, version, from });
      if (before === undefined || before.offset <= offset || before.version === version) continue;
      this.counters.wentBack++;
      if (before.from === from)
        this.#world.violated('I4', `${sidecar.name} gets ${name} of ${offset} after that of ${before.offset}`);
    }
    this.#whole(sidecar, response.typeUrl === VHDS ? response.resources.map(({ name }) => name) : []);
  }

  /** The sidecar begins anew. */
  forget(sidecar: Sidecar): void {
    this.#taken.delete(sidecar.name);
    this.#brought.delete(sidecar.name);
  }

  /** I5 */
  #whole({ name, client }: Sidecar, come: readonly string[]): void {
    for (const host of client.versions('vhds').keys())
      for (const { cluster } of client.hostOf(host)?.targets ?? [])
        if (client.cluster(cluster) === undefined)
          this.#world.violated('I5', `${name} holds ${host}, and not its cluster ${cluster}`);
    for (const host of come)
      for (const { cluster } of client.hostOf(host)?.targets ?? [])
        if (client.endpoints(cluster) === undefined)
          this.#world.violated('I5', `${name} has got ${host} before the assignment of ${cluster}`);
  }

  #versionAt(sidecar: Sidecar, type: string, name: string, offset: number): string | undefined {
    const namespace = sidecar.caller.slice(sidecar.caller.lastIndexOf('.') + 1);
    const { versions } = this.#oracle;
    return (
      versions.at(resourceKey(type, `ns:${namespace}`, name), offset) ??
      versions.at(resourceKey(type, '', name), offset)
    );
  }

  #isWanted(sidecar: Sidecar, service: string, port: string, name: string, offset: number, view: NodeView): boolean {
    const preload = this.#oracle.callerAt(sidecar.caller, offset)?.preload ?? [];
    if (preload.includes(port) || this.#brought.get(sidecar.name)?.has(name) === true) return true;
    for (const cluster of sidecar.askedClusters) if (cluster === name || cluster.startsWith(`${service}:`)) return true;
    const wanted = new Set(preload);
    for (const host of sidecar.askedHosts) {
      const resolved = view.resolveHost(host);
      if (resolved !== undefined) wanted.add(resolved);
    }
    for (const brought of this.#brought.get(sidecar.name) ?? []) wanted.add(brought);
    for (const held of sidecar.client.versions('vhds').keys()) wanted.add(bareName('vhds', held));
    return wanted.has(port) || [...wanted].some((other) => view.clustersOf(other).includes(name));
  }
}

export const isPlaceholder = (type: string, name: string, version: string): boolean =>
  (type === 'cds' && version === emptyCluster(name).version) ||
  (type === 'eds' && version === emptyAssignment(name).version);
