/**
 * Client session and server session joined in memory: no socket, but the real bytes in both directions. Whatever is asked and changed,
 * in whatever order it arrives, the client ends with what the mesh says.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BytesCache } from '../../src/delta-xds/bytes-cache.ts';
import { Hub } from '../../src/delta-xds/hub.ts';
import type { Member } from '../../src/delta-xds/hub-member.ts';
import { DEFAULT_SESSION_LIMITS, type NodeView, SharedShapes, zeroSessionCounters } from '../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../src/delta-xds/resource-type.ts';
import {
  composeDeltaResponse,
  type DeltaRequest,
  decodeDeltaRequest,
  decodeDeltaResponse,
  encodeDeltaRequest,
} from '../../src/proto/index.ts';
import { type ClientEffect, ClientSession } from '../../src/sidecar-client/index.ts';
import {
  assignmentBody,
  clusterBody,
  listenerBody,
  MemoryMesh,
  nodeOf,
  virtualHostBody,
} from '../delta-xds/support/memory-mesh.ts';

const CALLER = 'app.shop';

/** One client, one server, and the wire between them in steps. */
class Pair {
  readonly mesh = new MemoryMesh();
  client: ClientSession;
  readonly said: string[] = [];
  /** Every message, client to server `>` and back `<`, in short. */
  readonly log: string[] = [];
  readonly #cache = new BytesCache(1_000_000);
  readonly #hub: Hub;
  readonly #later: (() => void)[] = [];
  #member: Member | undefined;
  #view: NodeView;
  #up: Uint8Array[] = [];
  #down: Uint8Array[] = [];
  #now = 0;
  #timers: { readonly at: number; readonly run: () => void }[] = [];
  #streams = 0;
  #version = 0;
  readonly #refuse: ConstructorParameters<typeof Pair>[0];

  constructor(refuse?: (type: string, name: string, version: string) => string | undefined) {
    this.#refuse = refuse;
    this.client = this.#session();
    this.mesh.listeners.set('outbound', listenerBody('outbound', 'l-1'));
    this.#view = this.mesh.attach(nodeOf(CALLER));
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
    if (this.#member !== undefined) this.#hub.leave(this.#member);
    this.#up = [];
    this.#down = [];
    this.#member = undefined;
    this.client.onDisconnected();
    this.run(this.client.onConnected());
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
    this.#hub.request(this.#member, request);
    return true;
  }

  #join(request: DeltaRequest): Member {
    assert.ok(request.node !== undefined, 'C3: the first message of a stream carries the node');
    this.#view = this.mesh.attach(request.node);
    return this.#hub.join(this.#view, {
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
    void this.#hub.wake();
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

  service(name: string, extra: readonly string[] = []): void {
    const version = ++this.#version;
    this.mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
    this.mesh.set('eds', name, assignmentBody(name, `e-${version}`, [80]));
    this.mesh.set(
      'vhds',
      name,
      virtualHostBody(`h-${version}`, [name.slice(0, name.indexOf(':')), name, ...extra], [name]),
    );
    this.mesh.changed(`svc|${name.slice(0, name.indexOf(':'))}`);
  }

  gone(name: string): void {
    for (const type of ['cds', 'eds', 'vhds'] as const) this.mesh.set(type, name, undefined);
  }

  endpoints(name: string): void {
    if (this.mesh.assignments.has(name)) this.mesh.set('eds', name, assignmentBody(name, `e-${++this.#version}`, [80]));
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

  /** Nothing is held that no host asked for leads to (C6). */
  checkNothingElse(hosts: ReadonlySet<string>): void {
    const view = this.mesh.attach(nodeOf(CALLER));
    const wanted = new Set([...hosts].flatMap((host) => view.resolveHost(host) ?? []));
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

test('the client says what an Envoy says: first stream, question, second stream (C2, C3, C4)', () => {
  const pair = new Pair();
  pair.service('cart.shop:80', ['cart']);
  pair.connect();
  pair.settle();
  pair.run(pair.client.ask('cart'));
  pair.run(pair.client.ask('nobody.shop'));
  pair.settle();
  pair.run(pair.client.ask('cart'));
  pair.run(pair.client.ask('nobody.shop'));
  pair.run(pair.client.ask('cart.shop'));
  pair.log.push('reconnect');
  pair.connect();
  pair.settle();
  assert.deepEqual(pair.log, [
    '> Cluster node',
    '> Listener',
    '> RouteConfiguration sub outbound',
    '> VirtualHost',
    '< Cluster ',
    '> Cluster ack',
    '< Listener outbound@l-1',
    '> Listener ack',
    '< RouteConfiguration outbound@rc',
    '> RouteConfiguration ack',
    '< VirtualHost  removed outbound/-',
    '> VirtualHost ack',
    '> VirtualHost sub outbound/cart',
    '> VirtualHost sub outbound/nobody.shop',
    '< Cluster cart.shop:80@c-1',
    '> Cluster ack',
    '> ClusterLoadAssignment sub cart.shop:80',
    '< ClusterLoadAssignment cart.shop:80@e-1',
    '> ClusterLoadAssignment ack',
    '< VirtualHost outbound/cart.shop:80@h-1',
    '> VirtualHost ack',
    '< VirtualHost outbound/nobody.shop@neg-s1-1',
    '> VirtualHost ack',
    'reconnect',
    '> Cluster node irv cart.shop:80=c-1',
    '> Listener irv outbound=l-1',
    '> RouteConfiguration sub outbound irv outbound=rc',
    '> VirtualHost sub * outbound/cart outbound/nobody.shop irv outbound/cart.shop:80=h-1 outbound/nobody.shop=neg-s1-1',
    '> ClusterLoadAssignment sub cart.shop:80 irv cart.shop:80=e-1',
    '< Cluster ',
    '> Cluster ack',
    '< Listener ',
    '> Listener ack',
  ]);
  assert.deepEqual(pair.said, [
    'cart: outbound/cart.shop:80',
    'nobody.shop: nobody',
    'cart: outbound/cart.shop:80',
    'nobody.shop: nobody',
    'cart.shop: outbound/cart.shop:80',
  ]);
});

test('what is released is unsubscribed once, taken back by the server, and named by no later stream (C6)', () => {
  const pair = new Pair();
  pair.service('cart.shop:80');
  pair.connect();
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.log.length = 0;
  pair.run(pair.client.release('cart.shop'));
  pair.run(pair.client.release('cart.shop'));
  assert.equal(pair.client.virtualHostOf('cart.shop'), undefined);
  pair.settle();
  pair.log.push('reconnect');
  pair.connect();
  pair.settle();
  pair.log.push('ask');
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.check(['cart.shop']);
  assert.deepEqual(pair.log, [
    '> VirtualHost unsub outbound/cart.shop outbound/cart.shop:80',
    '< Cluster  removed cart.shop:80',
    '> Cluster ack',
    '> ClusterLoadAssignment unsub cart.shop:80',
    'reconnect',
    '> Cluster node',
    '> Listener irv outbound=l-1',
    '> RouteConfiguration sub outbound irv outbound=rc',
    '> VirtualHost',
    '< Cluster ',
    '> Cluster ack',
    '< Listener ',
    '> Listener ack',
    '< VirtualHost  removed outbound/-',
    '> VirtualHost ack',
    'ask',
    '> VirtualHost sub outbound/cart.shop',
    '< Cluster cart.shop:80@c-1',
    '> Cluster ack',
    '> ClusterLoadAssignment sub cart.shop:80',
    '< ClusterLoadAssignment cart.shop:80@e-1',
    '> ClusterLoadAssignment ack',
    '< VirtualHost outbound/cart.shop:80@h-1',
    '> VirtualHost ack',
  ]);
});

test('a refused response changes nothing, and is asked for no more (C1, C5)', () => {
  const pair = new Pair((type, _, version) => (type === 'vhds' && version === 'h-2' ? 'no' : undefined));
  pair.service('cart.shop:80');
  pair.connect();
  pair.run(pair.client.ask('cart.shop'));
  pair.settle();
  pair.service('cart.shop:80');
  pair.settle();
  assert.equal(pair.client.versions('vhds').get('outbound/cart.shop:80'), 'h-1');
  assert.equal(pair.client.versions('cds').get('cart.shop:80'), 'c-2');
  assert.equal(pair.log.filter((line) => line.includes('nack no')).length, 1);
  pair.service('cart.shop:80');
  pair.settle();
  pair.check(['cart.shop']);
});

test('fuzzed together: any order of questions, changes, messages and reconnects ends the same', () => {
  const names = ['a.shop:80', 'b.shop:80', 'c.shop:80'];
  const hosts = ['a.shop', 'b.shop:80', 'c.shop', 'x.example', 'nobody.shop'];
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('service' as const), at: fc.nat({ max: 2 }), roaming: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('gone' as const), at: fc.nat({ max: 2 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('endpoints' as const), at: fc.nat({ max: 2 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), at: fc.nat({ max: 4 }) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), at: fc.nat({ max: 4 }) }) },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const, at: 0 }) },
    { weight: 6, arbitrary: fc.constant({ do: 'up' as const, at: 0 }) },
    { weight: 6, arbitrary: fc.constant({ do: 'down' as const, at: 0 }) },
    { weight: 3, arbitrary: fc.constant({ do: 'wake' as const, at: 0 }) },
    { weight: 1, arbitrary: fc.constant({ do: 'reconnect' as const, at: 0 }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pair = new Pair();
      const asked = new Set<string>();
      pair.connect();
      for (const one of steps) {
        const name = names[one.at] ?? '';
        switch (one.do) {
          case 'service':
            if (one.roaming)
              for (const other of names) if (other !== name && pair.mesh.hosts.has(other)) pair.service(other);
            pair.service(name, one.roaming ? ['x.example'] : []);
            break;
          case 'gone':
            pair.gone(name);
            break;
          case 'endpoints':
            pair.endpoints(name);
            break;
          case 'ask': {
            const host = hosts[one.at] ?? '';
            asked.add(host);
            pair.run(pair.client.ask(host));
            break;
          }
          case 'release': {
            const host = hosts[one.at] ?? '';
            asked.delete(host);
            pair.run(pair.client.release(host));
            break;
          }
          case 'restart':
            pair.restart();
            break;
          case 'up':
            pair.stepUp();
            break;
          case 'down':
            pair.stepDown();
            break;
          case 'wake':
            pair.wake();
            break;
          case 'reconnect':
            pair.connect();
            break;
        }
      }
      pair.settle();
      pair.check(asked);
      pair.checkNothingElse(asked);
      assert.deepEqual(
        pair.log.filter((line) => line.includes('nack')),
        [],
        'nothing was refused',
      );
      // At rest a new stream costs nothing.
      const before = pair.log.length;
      pair.connect();
      pair.settle();
      assert.deepEqual(
        pair.log.slice(before).filter((line) => /^< .*@/.test(line)),
        [],
      );
    }),
    { numRuns: 300 },
  );
});
