/** An Envoy-like client, a relay session and the server's own session in memory: no socket, the real bytes, and every wire in steps. */
import assert from 'node:assert/strict';
import type { RelayEffect } from '../../../src/agent/relay/effect.ts';
import { LastGood, type LastGoodStore } from '../../../src/agent/relay/last-good.ts';
import { RelaySession } from '../../../src/agent/relay/session.ts';
import { BytesCache } from '../../../src/delta-xds/bytes-cache.ts';
import { Hub } from '../../../src/delta-xds/hub.ts';
import type { Member } from '../../../src/delta-xds/hub-member.ts';
import { DEFAULT_SESSION_LIMITS, SharedShapes, zeroSessionCounters } from '../../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../../src/delta-xds/resource-type.ts';
import {
  composeDeltaResponse,
  decodeDeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
} from '../../../src/proto/index.ts';
import { type ClientEffect, ClientSession } from '../../../src/sidecar-client/index.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  nodeOf,
  virtualHostBody,
} from '../../delta-xds/support/memory-mesh.ts';

const CALLER = 'app.shop';

/** Outlives relay sessions, as a disk does. */
export class MemoryStore implements LastGoodStore {
  readonly rows = new Map<string, { readonly node: string; readonly typeUrl: string; readonly raw: Uint8Array }>();
  *load(node: string) {
    for (const row of this.rows.values()) if (row.node === node) yield row;
  }
  put(node: string, typeUrl: string, name: string, raw: Uint8Array): void {
    this.rows.set(`${node} ${typeUrl} ${name}`, { node, typeUrl, raw });
  }
  remove(node: string, typeUrl: string, name: string): void {
    this.rows.delete(`${node} ${typeUrl} ${name}`);
  }
  times(): undefined {}
  setTimes(): void {}
}

export class Stand {
  readonly mesh = new MemoryMesh();
  readonly store = new MemoryStore();
  client!: ClientSession;
  relay!: RelaySession;
  lastGood: LastGood | undefined;
  /** Resources on the control plane's present stream. */
  resources = 0;
  reachable = false;
  /** Refuses resources of these versions. */
  readonly bad = new Set<string>();
  readonly #cache = new BytesCache(1_000_000);
  readonly #hub: Hub;
  readonly #later: (() => void)[] = [];
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #now = 0;
  #member: Member | undefined;
  #settling = false;
  #streams = 0;
  #version = 0;
  /** Nonces that the present stream has sent; types that it was asked for. */
  readonly #nonces = new Set<string>();
  readonly #asked = new Set<string>();
  #fromEnvoy: Uint8Array[] = [];
  #toEnvoy: Uint8Array[] = [];
  #up: Uint8Array[] = [];
  #down: Uint8Array[] = [];

  constructor() {
    this.mesh.listeners.set('outbound', listenerBody('outbound', 'l-1'));
    this.#hub = new Hub({
      source: this.mesh,
      shapes: new SharedShapes(),
      session: { limits: DEFAULT_SESSION_LIMITS, counters: zeroSessionCounters() },
      clock: () => this.#now,
      later: (run) => this.#later.push(run),
      after: (ms, run) => {
        const timer = { at: this.#now + ms, run };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((one) => one !== timer);
        };
      },
      tag: () => `s${++this.#streams}`,
    });
    this.restart();
  }

  /** The Envoy dies and another one of the same node begins; the relay's memory of it is gone too. */
  restart(): void {
    this.client = new ClientSession({
      node: nodeOf(CALLER),
      listeners: true,
      refuse: (_type, _name, version) => (this.bad.has(version) ? 'bad' : undefined),
    });
    this.#newStream();
  }

  /** Envoy's stream to the relay breaks: it comes back with what it holds. */
  envoyReconnects(): void {
    this.client.onDisconnected();
    this.#newStream();
  }

  #newStream(): void {
    this.#cut();
    this.#fromEnvoy = [];
    this.#toEnvoy = [];
    this.#settling = false;
    this.lastGood = undefined;
    this.relay = new RelaySession({
      lastGood: (node) => {
        this.lastGood = new LastGood(node, { store: this.store });
        return this.lastGood;
      },
    });
    this.run(this.client.onConnected());
    if (this.reachable) this.#do(this.relay.onReady());
    else this.#do(this.relay.onLost());
  }

  up(): void {
    if (this.reachable) return;
    this.reachable = true;
    this.#do(this.relay.onReady());
  }

  lose(): void {
    if (!this.reachable) return;
    this.reachable = false;
    this.#cut();
    this.#settling = false;
    this.#do(this.relay.onLost());
  }

  #cut(): void {
    if (this.#member !== undefined) this.#hub.leave(this.#member);
    this.#member = undefined;
    this.#up = [];
    this.#down = [];
    this.#nonces.clear();
    this.#asked.clear();
    this.resources = 0;
  }

  run(effects: readonly ClientEffect[]): void {
    for (const effect of effects)
      if (effect.kind === 'request') this.#fromEnvoy.push(encodeDeltaRequest(effect.request));
  }

  #do(effects: readonly RelayEffect[]): void {
    for (const effect of effects)
      if (effect.kind === 'to-envoy') this.#toEnvoy.push(effect.bytes);
      else if (effect.kind === 'to-control-plane') this.#up.push(effect.bytes);
      else if (effect.kind === 'keep') this.lastGood?.keep(effect.typeUrl, effect.resource);
      else if (effect.kind === 'drop') this.lastGood?.drop(effect.typeUrl, effect.name);
      else this.#settling = true;
  }

  /** Moves one message on one of the four wires; gives whether there was one. */
  step(wire: 0 | 1 | 2 | 3): boolean {
    const queue = [this.#fromEnvoy, this.#up, this.#down, this.#toEnvoy][wire];
    const bytes = queue?.shift();
    if (bytes === undefined) return false;
    if (wire === 0) this.#do(this.relay.onRequest(bytes));
    else if (wire === 1) this.#toServer(bytes);
    else if (wire === 2) this.#do(this.relay.onResponse(bytes));
    else this.run(this.client.onResponse(decodeDeltaResponse(bytes)));
    return true;
  }

  #toServer(bytes: Uint8Array): void {
    const request = decodeDeltaRequest(bytes);
    if (request.responseNonce !== '')
      assert.ok(this.#nonces.has(request.responseNonce), `R3: ${request.responseNonce} is not of this stream`);
    if (this.#asked.has(request.typeUrl)) assert.equal(request.initialResourceVersions.size, 0, 'R4: versions again');
    this.#asked.add(request.typeUrl);
    if (this.#member === undefined) {
      assert.ok(request.node !== undefined, 'R4: the first request carries the node');
      this.#member = this.#join(this.mesh.attach(request.node));
    }
    this.#hub.request(this.#member, request);
  }

  #join(view: ReturnType<MemoryMesh['attach']>): Member {
    return this.#hub.join(view, {
      execute: (effect) => {
        if (effect.kind !== 'send') return;
        this.#nonces.add(effect.nonce);
        this.resources += effect.resources.length;
        const resources = effect.resources.map((resource) => this.#cache.encode(effect.type, resource));
        const parts = { typeUrl: typeUrlOf(effect.type), nonce: effect.nonce, resources, removed: effect.removed };
        this.#down.push(composeDeltaResponse(parts));
      },
      fail: (error) => {
        throw error;
      },
    });
  }

  wake(): void {
    void this.#hub.wake();
    while (this.#later.length > 0) this.#later.shift()?.();
  }

  settleOver(): void {
    if (!this.#settling) return;
    this.#settling = false;
    this.#do(this.relay.onSettleOver());
  }

  settle(): void {
    this.wake();
    for (let round = 0; round < 2_000; round++) {
      if (this.step(0) || this.step(1) || this.step(2) || this.step(3)) continue;
      if (this.#settling) {
        this.settleOver();
        continue;
      }
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

  ask(host: string): void {
    this.run(this.client.ask(host));
  }

  /** Version of the virtual host: `h-<n>`. */
  service(name: string, extra: readonly string[] = []): string {
    const version = ++this.#version;
    const short = name.slice(0, name.indexOf(':'));
    this.mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    this.mesh.set('eds', name, assignmentBody(name, `e-${version}`, [80]));
    this.mesh.set('vhds', name, virtualHostBody(`h-${version}`, [short, name, ...extra], [name]));
    this.mesh.changed(`svc|${short}`);
    return `h-${version}`;
  }

  gone(name: string): void {
    for (const type of ['cds', 'eds', 'vhds'] as const) this.mesh.set(type, name, undefined);
  }

  endpoints(name: string): void {
    if (this.mesh.assignments.has(name)) this.mesh.set('eds', name, assignmentBody(name, `e-${++this.#version}`, [80]));
  }

  /** Names and versions that the client holds, by type. */
  held(): Record<string, Record<string, string>> {
    const types = ['cds', 'eds', 'lds', 'rds', 'vhds'] as const;
    return Object.fromEntries(types.map((type) => [type, Object.fromEntries(this.client.versions(type))]));
  }

  /** Names and versions of the last good configuration, by type. */
  kept(): Record<string, Record<string, string>> {
    const types = ['cds', 'eds', 'lds', 'rds', 'vhds'] as const;
    const versions = (type: (typeof types)[number]) =>
      [...(this.lastGood?.all(typeUrlOf(type)) ?? [])].map(({ name, version }) => [name, version] as const);
    return Object.fromEntries(types.map((type) => [type, Object.fromEntries(versions(type))]));
  }

  /** The client holds the newest of every host. */
  check(hosts: Iterable<string>): void {
    for (const host of hosts) {
      const port = this.mesh.attach(nodeOf(CALLER)).resolveHost(host);
      assert.equal(this.client.virtualHostOf(host), port === undefined ? undefined : `outbound/${port}`, host);
      if (port === undefined) continue;
      assert.equal(this.client.versions('vhds').get(`outbound/${port}`), this.mesh.hosts.get(port)?.version);
      assert.equal(this.client.versions('cds').get(port), this.mesh.clusters.get(port)?.version);
      assert.equal(this.client.versions('eds').get(port), this.mesh.assignments.get(port)?.version);
    }
  }
}
