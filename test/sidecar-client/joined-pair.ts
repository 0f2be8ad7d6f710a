/**
 * Client session and server session joined in memory: no socket, but the real bytes in both directions; a second server with another mesh
 * to go over to. What the client refuses is in the version, so that both sides can be asked for it.
 */
import assert from 'node:assert/strict';
import { BytesCache } from '../../src/delta-xds/bytes-cache.ts';
import type { Member } from '../../src/delta-xds/hub-member.ts';
import type { NodeView } from '../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../src/delta-xds/resource-type.ts';
import {
  composeDeltaResponse,
  type DeltaRequest,
  decodeDeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
} from '../../src/proto/index.ts';
import { type ClientEffect, ClientSession } from '../../src/sidecar-client/index.ts';
import { type MemoryMesh, nodeOf } from '../delta-xds/support/memory-mesh.ts';
import { CALLER, isBad, ROAMING, World } from './joined-world.ts';

/** One client, the wire to one of two servers in steps. */
export class Pair {
  client: ClientSession;
  readonly said: string[] = [];
  /** Every message, client to server `>` and back `<`, in short. */
  readonly log: string[] = [];
  readonly #cache = new BytesCache(1_000_000);
  readonly #worlds: readonly [World, World];
  #at: 0 | 1 = 0;
  readonly #later: (() => void)[] = [];
  #member: Member | undefined;
  #view: NodeView;
  #up: Uint8Array[] = [];
  #down: Uint8Array[] = [];
  #now = 0;
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #streams = 0;
  /** Service ports that the client may hold though none of its hosts leads to them. */
  #mayStay = new Set<string>();
  readonly #refuse: ConstructorParameters<typeof Pair>[0];

  constructor(refuse?: (type: string, name: string, version: string) => string | undefined) {
    this.#refuse = refuse;
    this.client = this.#session();
    const ports = {
      clock: () => this.#now,
      later: (run: () => void) => void this.#later.push(run),
      after: (ms: number, run: () => void) => {
        const timer = { at: this.#now + ms, run };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((one) => one !== timer);
        };
      },
      tag: () => `s${++this.#streams}`,
    };
    this.#worlds = [new World('', ports), new World('z', ports)];
    this.#view = this.mesh.attach(nodeOf(CALLER));
  }

  get world(): World {
    return this.#worlds[this.#at];
  }

  /** The one that the client is not connected to. */
  get otherWorld(): World {
    return this.#worlds[this.#at === 0 ? 1 : 0];
  }

  get mesh(): MemoryMesh {
    return this.world.mesh;
  }

  /** The next stream goes to a server that knows other services, and the same ones in other versions. */
  elsewhere(): void {
    this.#leave();
    this.#at = this.#at === 0 ? 1 : 0;
    this.connect();
  }

  #session(): ClientSession {
    return new ClientSession({
      node: nodeOf(CALLER),
      listeners: true,
      bodies: true,
      ...(this.#refuse === undefined ? {} : { refuse: this.#refuse }),
    });
  }

  /** A new process with what the disk kept of the old one (C7). */
  restart(): void {
    const before = this.client;
    const held = (type: 'cds' | 'eds' | 'vhds') =>
      [...before.versions(type).keys()].flatMap((name) => before.resource(type, name) ?? []);
    this.client = this.#session();
    const problems = this.client.restore({
      cds: held('cds'),
      eds: held('eds'),
      vhds: held('vhds'),
      ...before.asked(),
    });
    assert.deepEqual(problems, []);
    for (const type of ['cds', 'eds', 'vhds'] as const)
      assert.deepEqual(new Map(this.client.versions(type)), new Map(before.versions(type)));
    this.connect();
  }

  connect(): void {
    this.#leave();
    this.client.onDisconnected();
    this.#mayStay = new Set([...this.client.versions('vhds').keys()].map((name) => name.slice('outbound/'.length)));
    this.run(this.client.onConnected());
  }

  release(host: string): void {
    const name = this.client.virtualHostOf(host);
    this.run(this.client.release(host));
    if (name !== undefined && this.client.hostOf(name) !== undefined) this.#mayStay.add(name.slice('outbound/'.length));
  }

  #leave(): void {
    if (this.#member !== undefined) this.world.hub.leave(this.#member);
    this.#up = [];
    this.#down = [];
    this.#member = undefined;
  }

  run(effects: readonly ClientEffect[]): void {
    for (const effect of effects)
      if (effect.kind === 'request') this.#up.push(encodeDeltaRequest(effect.request));
      else if (effect.kind === 'host') this.said.push(`${effect.host}: ${effect.virtualHost ?? 'nobody'}`);
  }

  /** One message towards the server. */
  stepUp(): boolean {
    const bytes = this.#up.shift();
    if (bytes === undefined) return false;
    const request = decodeDeltaRequest(bytes);
    this.log.push(`> ${shortRequest(request)}`);
    this.#member ??= this.#join(request);
    this.world.hub.request(this.#member, request);
    return true;
  }

  #join(request: DeltaRequest): Member {
    assert.ok(request.node !== undefined, 'C3: the first message of a stream carries the node');
    this.#view = this.mesh.attach(request.node);
    return this.world.hub.join(this.#view, {
      execute: (effect) => {
        if (effect.kind === 'send')
          this.#down.push(
            composeDeltaResponse({
              typeUrl: typeUrlOf(effect.type),
              nonce: effect.nonce,
              resources: effect.resources.map((resource) => this.#cache.encode(effect.type, resource)),
              removed: effect.removed,
            }),
          );
      },
      fail: (error) => {
        throw error;
      },
    });
  }

  /** One message towards the client. */
  stepDown(): boolean {
    const bytes = this.#down.shift();
    if (bytes === undefined) return false;
    const response = decodeDeltaResponse(bytes);
    const names = response.resources.map(({ name, version }) => `${name}@${version}`).join(', ');
    const removed = response.removed.length === 0 ? '' : ` removed ${response.removed.join(' ')}`;
    this.log.push(`< ${response.typeUrl.split('.').at(-1)} ${names}${removed}`);
    this.run(this.client.onResponse(response));
    return true;
  }

  wake(): void {
    void this.world.hub.wake();
    while (this.#later.length > 0) this.#later.shift()?.();
  }

  settle(): void {
    this.wake();
    for (let round = 0; round < 1_000; round++) {
      if (this.stepUp() || this.stepDown()) continue;
      const [timer] = this.#timers;
      if (timer === undefined) return;
      this.#now += 1_000;
      for (const due of this.#timers.filter(({ at }) => at <= this.#now)) {
        this.#timers = this.#timers.filter((one) => one !== due);
        due.run();
      }
    }
    assert.fail('it does not come to rest');
  }

  /** The client holds the newest of everything it asked for (S1), and every host has its answer. */
  check(hosts: Iterable<string>): void {
    for (const host of hosts) {
      const port = this.mesh.attach(nodeOf(CALLER)).resolveHost(host);
      assert.equal(this.client.virtualHostOf(host), port === undefined ? undefined : `outbound/${port}`, host);
      if (port === undefined) continue;
      assert.equal(this.client.versions('vhds').get(`outbound/${port}`), this.mesh.hosts.get(port)?.version);
      assert.equal(this.client.versions('cds').get(port), this.mesh.clusters.get(port)?.version);
      assert.equal(this.client.versions('eds').get(port), this.mesh.assignments.get(port)?.version);
      assert.deepEqual(
        this.client.endpoints(port)?.map(({ port: at }) => at),
        [80],
      );
    }
  }

  /** The same while some of it is refused: the rest is there all the same, and nobody waits (S7, C1). */
  checkRefused(hosts: Iterable<string>): void {
    for (const type of ['cds', 'eds', 'vhds'] as const)
      for (const [name, version] of this.client.versions(type))
        assert.ok(!isBad(version), `${type} ${name} ${version}`);
    for (const host of hosts) {
      const answer = this.client.ask(host);
      assert.ok(answer.length > 0 && answer.every(({ kind }) => kind === 'host'), `${host} has no answer`);
      const port = this.mesh.attach(nodeOf(CALLER)).resolveHost(host);
      if (port === undefined) continue;
      const newest = this.mesh.hosts.get(port);
      const held = this.client.versions('vhds').get(`outbound/${port}`);
      // A domain that moves binds two virtual hosts together: one refused, both stay as they were.
      const roaming = this.client.virtualHostOf(ROAMING)?.slice('outbound/'.length);
      const next = this.mesh.attach(nodeOf(CALLER)).resolveHost(ROAMING);
      const isBound =
        (roaming === port && isBad(this.mesh.hosts.get(next ?? '')?.version)) ||
        (next === port && isBad(this.mesh.hosts.get(roaming ?? '')?.version));
      if (!isBad(newest?.version) && !isBound) assert.equal(held, newest?.version, host);
      if (held === undefined) continue;
      const cluster = this.mesh.clusters.get(port)?.version;
      const assignment = this.mesh.assignments.get(port)?.version;
      if (!isBad(cluster)) assert.equal(this.client.versions('cds').get(port), cluster, port);
      if (!isBad(assignment) && this.client.cluster(port)?.eds !== undefined)
        assert.equal(this.client.versions('eds').get(port), assignment, port);
    }
  }

  /**
   * Nothing is held that no host asked for leads to, but what was held when the stream began, which the server keeps, and what stayed at a
   * release because it answered another host, until it changed (C6, S1).
   */
  checkNothingElse(hosts: ReadonlySet<string>): void {
    const view = this.mesh.attach(nodeOf(CALLER));
    const wanted = new Set([...this.#mayStay, ...[...hosts].flatMap((host) => view.resolveHost(host) ?? [])]);
    for (const name of this.client.versions('vhds').keys()) assert.ok(wanted.has(name.slice('outbound/'.length)), name);
    for (const type of ['cds', 'eds'] as const)
      for (const name of this.client.versions(type).keys()) assert.ok(wanted.has(name), `${type} ${name}`);
  }
}

const shortRequest = (request: DeltaRequest): string => {
  const parts = [request.typeUrl.split('.').at(-1) ?? ''];
  if (request.node !== undefined) parts.push('node');
  if (request.subscribe.length > 0) parts.push(`sub ${request.subscribe.join(' ')}`);
  if (request.unsubscribe.length > 0) parts.push(`unsub ${request.unsubscribe.join(' ')}`);
  if (request.initialResourceVersions.size > 0)
    parts.push(`irv ${[...request.initialResourceVersions].map(([name, version]) => `${name}=${version}`).join(' ')}`);
  if (request.responseNonce !== '')
    parts.push(request.errorDetail === undefined ? 'ack' : `nack ${request.errorDetail.message}`);
  return parts.join(' ');
};
