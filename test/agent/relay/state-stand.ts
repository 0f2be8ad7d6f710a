/** A client of the state-of-the-world form, a relay session and the server's own session in memory: no socket, the real bytes. */
import assert from 'node:assert/strict';
import type { RelayEffect } from '../../../src/agent/relay/effect.ts';
import { LastGood } from '../../../src/agent/relay/last-good.ts';
import { MemoryBudget } from '../../../src/agent/relay/memory-budget.ts';
import { StateSession } from '../../../src/agent/relay/state-session.ts';
import { readState } from '../../../src/agent/relay/state-wire.ts';
import { BytesCache } from '../../../src/delta-xds/bytes-cache.ts';
import { Hub } from '../../../src/delta-xds/hub.ts';
import type { Member } from '../../../src/delta-xds/hub-member.ts';
import { DEFAULT_SESSION_LIMITS, SharedShapes, zeroSessionCounters } from '../../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../../src/delta-xds/resource-type.ts';
import {
  CDS,
  composeStateResponse,
  decodeStateRequest,
  decodeStateResponse,
  EDS,
  encodeStateRequest,
  LDS,
  RDS,
} from '../../../src/proto/index.ts';
import { assignmentBody, clusterBody, listenerBody, MemoryMesh, nodeOf } from '../../delta-xds/support/memory-mesh.ts';
import { MemoryStore } from './stand.ts';

const CALLER = 'app.shop';

/** As an Envoy: everything of clusters and listeners, assignments of its clusters, one route configuration. */
class StateClient {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #types = new Map<string, { names: readonly string[]; version: string; nonce: string }>();
  /** Type -> name -> bytes of the resource. */
  readonly held = new Map<string, Map<string, string>>([CDS, EDS, LDS, RDS].map((type) => [type, new Map()]));
  /** Refuses responses with this resource. */
  bad = '';
  #first = true;

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  /** On a new stream: everything again, with versions and without nonces. */
  begin(): void {
    this.#first = true;
    for (const type of this.#types.values()) type.nonce = '';
    for (const [typeUrl, names] of [
      [CDS, []],
      [EDS, this.names(CDS)],
      [LDS, []],
      [RDS, ['outbound']],
    ] as const)
      if (typeUrl !== EDS || names.length > 0) this.#ask(typeUrl, names);
  }

  names(typeUrl: string): string[] {
    return [...(this.held.get(typeUrl)?.keys() ?? [])].sort();
  }

  #ask(typeUrl: string, names: readonly string[], refused = false): void {
    const type = this.#types.get(typeUrl) ?? { names, version: '', nonce: '' };
    type.names = names;
    this.#types.set(typeUrl, type);
    this.#send(
      encodeStateRequest({
        ...{ typeUrl, names, versionInfo: type.version, responseNonce: type.nonce },
        ...(this.#first ? { node: nodeOf(CALLER) } : {}),
        ...(refused ? { errorDetail: { code: 13, message: 'bad' } } : {}),
      }),
    );
    this.#first = false;
  }

  take(bytes: Uint8Array): void {
    const { typeUrl, nonce, versionInfo } = decodeStateResponse(bytes);
    const { resources } = readState(bytes);
    const type = this.#types.get(typeUrl);
    const held = this.held.get(typeUrl);
    assert.ok(type !== undefined && held !== undefined, typeUrl);
    type.nonce = nonce;
    if (resources.some(({ name }) => name === this.bad)) {
      this.#ask(typeUrl, type.names, true);
      return;
    }
    type.version = versionInfo;
    if (typeUrl === CDS || typeUrl === LDS) held.clear();
    for (const { name, raw } of resources)
      if (typeUrl !== EDS || type.names.includes(name)) held.set(name, Buffer.from(raw).toString('latin1'));
    this.#ask(typeUrl, type.names);
    if (typeUrl !== CDS) return;
    const clusters = this.names(CDS);
    if (clusters.join() === this.#types.get(EDS)?.names.join()) return;
    const assignments = this.held.get(EDS);
    for (const name of assignments?.keys() ?? []) if (!held.has(name)) assignments?.delete(name);
    this.#ask(EDS, clusters);
  }
}

export class StateStand {
  readonly mesh = new MemoryMesh();
  readonly store = new MemoryStore();
  readonly budget = new MemoryBudget(1_000_000);
  client!: StateClient;
  relay!: StateSession;
  lastGood: LastGood | undefined;
  reachable = false;
  /** Types of responses on the control plane's present stream. */
  answers: string[] = [];
  readonly #cache = new BytesCache(1_000_000);
  readonly #hub: Hub;
  readonly #later: (() => void)[] = [];
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #now = 0;
  #member: Member | undefined;
  #settling = false;
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
      tag: () => `s${this.relay.counters.upstreams}-`,
    });
    this.restart();
  }

  /** The Envoy dies and another one of the same node begins; the relay's memory of it is gone too. */
  restart(): void {
    this.client = new StateClient((bytes) => this.#fromEnvoy.push(bytes));
    this.reconnect();
  }

  /** Envoy's stream to the relay breaks: it comes back with what it holds. */
  reconnect(): void {
    this.#cut();
    this.#fromEnvoy = [];
    this.#toEnvoy = [];
    this.#settling = false;
    this.relay?.onEnd();
    this.lastGood?.release();
    assert.equal(this.budget.used, 0, 'what was taken of the budget is given back');
    this.relay = new StateSession({
      budget: this.budget,
      lastGood: (node) => {
        this.lastGood = new LastGood(node, { store: this.store, form: 'sotw', budget: this.budget });
        return this.lastGood;
      },
    });
    this.client.begin();
    this.#do(this.reachable ? this.relay.onReady() : this.relay.onLost());
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
    this.answers = [];
    this.#nonces.clear();
    this.#asked.clear();
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
  step(wire: number): boolean {
    const bytes = [this.#fromEnvoy, this.#up, this.#down, this.#toEnvoy][wire]?.shift();
    if (bytes === undefined) return false;
    if (wire === 0) this.#do(this.relay.onRequest(bytes));
    else if (wire === 1) this.#toServer(bytes);
    else if (wire === 2) this.#do(this.relay.onResponse(bytes));
    else this.client.take(bytes);
    return true;
  }

  #toServer(bytes: Uint8Array): void {
    const request = decodeStateRequest(bytes);
    const { responseNonce, typeUrl, versionInfo } = request;
    if (responseNonce !== '') assert.ok(this.#nonces.has(responseNonce), `W3: ${responseNonce} is not of this stream`);
    assert.doesNotMatch(versionInfo, /relay/, 'W5');
    if (!this.#asked.has(typeUrl)) assert.equal(responseNonce, '', 'W4');
    this.#asked.add(typeUrl);
    if (this.#member === undefined) {
      assert.ok(request.node !== undefined, 'W4: the first request carries the node');
      this.#member = this.#join(this.mesh.attach(request.node));
    } else assert.equal(request.node, undefined, 'W4: the node once');
    this.#hub.request(this.#member, request);
  }

  #join(view: ReturnType<MemoryMesh['attach']>): Member {
    const port = {
      execute: (effect: Parameters<Member['port']['execute']>[0]) => {
        if (effect.kind !== 'send') return;
        const { type, nonce, versionInfo = '' } = effect;
        this.#nonces.add(nonce);
        this.answers.push(type);
        const resources = effect.resources.map((resource) => this.#cache.encodeState(type, resource));
        this.#down.push(composeStateResponse({ typeUrl: typeUrlOf(type), nonce, versionInfo, resources }));
      },
      fail: (error: unknown) => {
        throw error;
      },
    };
    return this.#hub.join(view, port, 'sotw');
  }

  settleOver(): void {
    if (!this.#settling) return;
    this.#settling = false;
    this.#do(this.relay.onSettleOver());
  }

  wake(): void {
    void this.#hub.wake();
    while (this.#later.length > 0) this.#later.shift()?.();
  }

  settle(): void {
    this.wake();
    for (let round = 0; round < 3_000; round++) {
      if (this.step(0) || this.step(1) || this.step(2) || this.step(3)) continue;
      if (this.#settling) {
        this.settleOver();
        continue;
      }
      const due = this.#timers.shift();
      if (due === undefined) return;
      this.#now = Math.max(this.#now, due.at);
      due.run();
    }
    assert.fail('it does not come to rest');
  }

  /** A service that the caller needs; another version of it if it is there. */
  service(name: string): void {
    const version = ++this.#version;
    this.mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    this.mesh.set('eds', name, assignmentBody(name, `e-${version}`, [1_000 + version]));
    this.#needs(name, true);
  }

  endpoints(name: string): void {
    if (!this.mesh.assignments.has(name)) return;
    this.mesh.set('eds', name, assignmentBody(name, `e-${++this.#version}`, [1_000 + this.#version]));
  }

  gone(name: string): void {
    this.mesh.set('cds', name, undefined);
    this.mesh.set('eds', name, undefined);
    this.#needs(name, false);
  }

  #needs(name: string, is: boolean): void {
    const others = (this.mesh.preloads.get(CALLER) ?? []).filter((one) => one !== name);
    this.mesh.preloads.set(CALLER, is ? [...others, name] : others);
    this.mesh.changed(`caller|${CALLER}`);
  }

  /** What the client holds, by type and name. */
  held(): Record<string, Record<string, string>> {
    return Object.fromEntries([...this.client.held].map(([type, names]) => [type, Object.fromEntries(names)]));
  }

  /** The last good configuration, in the same form. */
  kept(): Record<string, Record<string, string>> {
    const rows = (type: string) => [...(this.lastGood?.all(type) ?? [])].map(({ name, raw }) => [name, raw] as const);
    return Object.fromEntries(
      [...this.client.held.keys()].map((type) => [
        type,
        Object.fromEntries(rows(type).map(([name, raw]) => [name, Buffer.from(raw).toString('latin1')])),
      ]),
    );
  }
}
