/** The world of the model check: a mesh, the real hub, an Envoy as measured, and everything between them in steps. */
import assert from 'node:assert/strict';
import { Hub } from '../../../src/delta-xds/hub.ts';
import type { Member } from '../../../src/delta-xds/hub-member.ts';
import {
  DEFAULT_SESSION_LIMITS,
  type Effect,
  type NodeView,
  SharedShapes,
  zeroSessionCounters,
} from '../../../src/delta-xds/index.ts';
import { typeUrlOf } from '../../../src/delta-xds/resource-type.ts';
import { assignmentBody, clusterBody, listenerBody, MemoryMesh, nodeOf, virtualHostBody } from './memory-mesh.ts';
import { Audit } from './model-audit.ts';
import { CALLER, HOSTS, type Op, ROAMING, SERVICES, STEADY, TCP } from './model-ops.ts';
import { DRAIN_MS, RENEWAL_LIMITS, Renewals } from './model-renewals.ts';
import { isType, SimEnvoy, type SimResponse } from './sim-envoy.ts';

export class World {
  readonly mesh = new MemoryMesh();
  readonly envoy = new SimEnvoy(nodeOf(CALLER));
  readonly #hub: Hub;
  readonly #later: (() => void)[] = [];
  readonly #timers: { at: number; run: () => void }[] = [];
  #member: Member;
  #view: NodeView;
  #inbox: SimResponse[] = [];
  #now = 0;
  #version = 0;
  #streams = 0;
  #held = false;
  #pauseAsked = false;
  /** Everything that some state of the mesh entitled the node to, or that it asked for. */
  readonly #entitled = new Set<string>();
  readonly #asked = new Set<string>();
  /** Virtual host version -> clusters it names. */
  readonly #clustersOf = new Map<string, readonly string[]>();
  /** Virtual hosts and their domains once everything sent is taken. */
  #mirror = new Map<string, readonly string[]>();
  readonly #audit = new Audit();
  /** What the client held when the present stream began. */
  #brought = new Set<string>();
  readonly #strict: boolean;
  /** Undefined: generations are not renewed; the client changes them by itself. */
  readonly #renewals: Renewals | undefined;
  /** Route configurations whose use and end the server has heard of on this stream. */
  readonly #heard = new Set<string>();

  constructor(strict: boolean, renewed: boolean, portion?: number) {
    this.#strict = strict;
    this.#renewals = renewed ? new Renewals(this.mesh, this.envoy) : undefined;
    const renewals = this.#renewals;
    this.mesh.listeners.set('outbound', listenerBody('outbound', 'l-0'));
    this.mesh.inbound.set('inbound:80', clusterBody('inbound:80', 'i-0', false));
    this.#hub = new Hub({
      source: this.mesh,
      shapes: new SharedShapes(),
      session: {
        limits: {
          ...(renewed ? RENEWAL_LIMITS : { ...DEFAULT_SESSION_LIMITS, responseBytes: 900 }),
          answersInFlight: 3,
        },
        counters: zeroSessionCounters(),
        renewal:
          renewals === undefined
            ? undefined
            : {
                get memory() {
                  return renewals.memory;
                },
                longStream: () => renewals.longest,
              },
        ...(portion === undefined ? {} : { portion }),
      },
      clock: () => this.#now,
      later: (run) => this.#later.push(run),
      after: (ms, run) => {
        const timer = { at: this.#now + ms, run };
        this.#timers.push(timer);
        return () => {
          const at = this.#timers.indexOf(timer);
          if (at >= 0) this.#timers.splice(at, 1);
        };
      },
      tag: () => `s${++this.#streams}`,
    });
    this.#view = this.#attach();
    this.#member = this.#join();
    this.envoy.askedRoutes.add('outbound');
    this.envoy.connect();
    this.#audit.begin(this.envoy);
  }

  /** A node that drains for as long as the model says. */
  #attach(): NodeView {
    const view = this.mesh.attach(nodeOf(CALLER));
    return this.#renewals === undefined ? view : Object.assign(view, { facts: { ...view.facts, drainMs: DRAIN_MS } });
  }

  #join(): Member {
    this.#view = this.#attach();
    return this.#hub.join(this.#view, {
      execute: (effect) => this.#execute(effect),
      fail: (error) => {
        throw error;
      },
    });
  }

  #execute(effect: Effect): void {
    if (effect.kind === 'pause') this.#pauseAsked = true;
    assert.notEqual(effect.kind, 'close');
    if (effect.kind === 'rejected') this.#audit.rejected(effect);
    if (effect.kind === 'observe') this.#renewals?.proved(effect.to);
    if (effect.kind !== 'send') return;
    this.#renewals?.sent(effect, this.#now, this.#heard);
    const names = [...effect.resources.map(({ name }) => name), ...effect.removed];
    assert.equal(new Set(names).size, names.length, `S10: a name twice in ${effect.type} ${names.join(' ')}`);
    this.#entitle();
    for (const { name, version, body } of effect.resources) {
      if (body === undefined || version === 'empty') continue;
      const key = `${effect.type} ${effect.type === 'vhds' ? name.slice(name.indexOf('/') + 1) : name}`;
      assert.ok(this.#entitled.has(key), `S2: ${key} was neither wanted nor asked for`);
      const slash = effect.type === 'vhds' ? name.slice(name.indexOf('/') + 1) : name;
      assert.notEqual(this.#view.get(effect.type, slash), undefined, `S2: ${key} may not be held`);
    }
    this.#audit.sent(effect, this.#strict);
    const { type } = effect;
    if (!isType(type)) assert.fail(`S2: a response of type ${type}`);
    if (this.#strict && type === 'vhds') this.#follow({ ...effect, type });
    this.#inbox.push({ ...effect, type });
  }

  /** Notes what the node may be sent by the state of this moment. */
  #entitle(): void {
    const view = this.#view;
    const ports = new Set(view.preload());
    for (const name of this.envoy.askedHosts) this.#asked.add(name.slice(name.indexOf('/') + 1));
    for (const host of this.#asked) {
      const port = view.resolveHost(host);
      if (port !== undefined) ports.add(port);
    }
    for (const name of this.#brought) ports.add(name);
    for (const port of ports) {
      this.#entitled.add(`vhds ${port}`);
      for (const cluster of view.clustersOf(port)) {
        this.#entitled.add(`cds ${cluster}`);
        this.#entitled.add(`eds ${cluster}`);
      }
    }
    for (const cluster of this.envoy.askedClusters) {
      this.#entitled.add(`cds ${cluster}`);
      this.#entitled.add(`eds ${cluster}`);
    }
    // A raw cluster that no service owns has an assignment.
    for (const name of view.own('cds')) this.#entitled.add(`cds ${name}`).add(`eds ${name}`);
    for (const name of view.own('lds')) this.#entitled.add(`lds ${name}`);
    this.#entitled.add('rds outbound').add('rds outbound~1');
    for (let n = 2; n <= 1 + (this.#renewals?.count ?? 0); n++) this.#entitled.add(`rds outbound~${n}`);
  }

  #next(prefix: string): string {
    return `${prefix}-${++this.#version}`;
  }

  #setHost(port: string, domains: readonly string[], clusters: readonly string[]): void {
    const version = this.#next('h');
    this.#clustersOf.set(version, clusters);
    this.mesh.set('vhds', port, virtualHostBody(version, domains, clusters));
  }

  /** A raw resource over a compiled one. */
  #setRaw(type: 'cds' | 'eds' | 'vhds', port: string, on: boolean): void {
    const { mesh } = this;
    const name = type === 'vhds' ? `outbound/${port}` : port;
    const key = `${type} ${name}`;
    // Of another family than compiled ones, which are back when it goes: no order between them.
    const version = this.#next(`raw-${type}`);
    if (!on) mesh.raw.delete(key);
    else if (type === 'cds') mesh.raw.set(key, clusterBody(port, version, true));
    else if (type === 'eds') mesh.raw.set(key, assignmentBody(port, version, [80]));
    else {
      this.#clustersOf.set(version, [port]);
      mesh.raw.set(key, virtualHostBody(version, [port.slice(0, port.indexOf(':')), port], [port]));
    }
    mesh.changed(`raw||${typeUrlOf(type)}|${name}`, `rawset||${typeUrlOf(type)}`);
  }

  step(op: Op): void {
    const before = this.#view.preload().join();
    this.#do(op);
    // The caller's record changes only when what it is preloaded with does.
    if (this.#view.preload().join() !== before) this.mesh.changed(`caller|${CALLER}`);
  }

  #do(op: Op): void {
    const { mesh, envoy } = this;
    const port = 'service' in op ? `${SERVICES[op.service] ?? 'redis.shop'}:80` : '';
    switch (op.do) {
      case 'service': {
        // Canary: a second cluster, and the first of another service beside it.
        const clusters = op.canary ? [port, `${port}/v2`] : [port];
        for (const cluster of clusters) {
          if (!mesh.clusters.has(cluster)) mesh.set('cds', cluster, clusterBody(cluster, this.#next('c'), true));
          if (!mesh.assignments.has(cluster)) mesh.set('eds', cluster, assignmentBody(cluster, this.#next('e'), [80]));
        }
        const own = SERVICES[op.service] ?? '';
        const roaming = own === STEADY ? [] : ROAMING.filter((_, index) => (op.roaming & (1 << index)) !== 0);
        const domains = [own, port, ...roaming];
        for (const domain of roaming)
          for (const [other, body] of mesh.hosts)
            if (other !== port && body.domains?.includes(domain))
              this.#setHost(
                other,
                body.domains.filter((held) => held !== domain),
                body.clusters ?? [],
              );
        this.#setHost(port, domains, clusters);
        mesh.changed(`svc|${own}`);
        if (!op.canary) {
          mesh.set('cds', `${port}/v2`, undefined);
          mesh.set('eds', `${port}/v2`, undefined);
        }
        return;
      }
      case 'gone':
        for (const name of [port, `${port}/v2`]) {
          mesh.set('cds', name, undefined);
          mesh.set('eds', name, undefined);
        }
        mesh.set('vhds', port, undefined);
        return;
      case 'endpoints':
        if (mesh.assignments.has(port)) mesh.set('eds', port, assignmentBody(port, this.#next('e'), [80]));
        return;
      case 'cluster':
        if (mesh.clusters.has(port)) mesh.set('cds', port, clusterBody(port, this.#next('c'), true));
        return;
      case 'tcp':
        mesh.set('cds', TCP, op.there ? clusterBody(TCP, this.#next('c'), true) : undefined);
        mesh.set('eds', TCP, op.there ? assignmentBody(TCP, this.#next('e'), [6379]) : undefined);
        mesh.changed('svc|redis.shop');
        return;
      case 'preload':
        mesh.preloads.set(CALLER, [
          ...op.services.map((index) => `${SERVICES[index] ?? ''}:80`),
          ...(op.tcp ? [TCP] : []),
        ]);
        this.#renewals?.declared(mesh.preloads.get(CALLER) ?? []);
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'deny':
        if (op.on) mesh.denied.add(`${CALLER} ${port}`);
        else mesh.denied.delete(`${CALLER} ${port}`);
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'raw':
        this.#setRaw(op.type, op.type === 'vhds' ? `${STEADY}:80` : port, op.on);
        return;
      case 'listener':
        mesh.listeners.set('outbound', listenerBody('outbound', this.#next('l')));
        mesh.changed(`own|${CALLER}|1`);
        return;
      case 'lost':
        mesh.lost();
        return;
      case 'wake':
        void this.#hub.wake();
        return;
      case 'turn':
        this.#later.shift()?.();
        return;
      case 'call': {
        const rc = this.#renewals === undefined && op.generation === 1 ? 'outbound~1' : this.#rcOf(op.generation);
        if (envoy.askedRoutes.has(rc)) envoy.call(`${rc}/${HOSTS[op.host] ?? ''}`);
        this.#entitle();
        return;
      }
      case 'again':
        envoy.askAgain(`${this.#rcOf(0)}/${HOSTS[op.host] ?? ''}`);
        return;
      case 'cluster-call':
        envoy.callCluster(op.service === SERVICES.length ? TCP : port);
        return;
      case 'up':
        this.#up(op.count);
        return;
      case 'down':
        this.#down(op.count);
        return;
      case 'time':
        this.#pass(this.#mustHurry ? Math.min(op.ms, 50) : op.ms);
        return;
      case 'expire':
        this.#renewals?.expire(port);
        return;
      case 'learn':
        this.#renewals?.learn();
        return;
      case 'drained':
        envoy.drained();
        return;
      case 'streams':
        if (this.#renewals !== undefined) this.#renewals.longest = op.ms;
        return;
      case 'replica':
        this.#renewals?.replica();
        this.#reconnect();
        return;
      case 'reconnect':
        this.#reconnect();
        return;
      case 'hold':
        this.#held = true;
        this.#hub.hold(this.#member);
        return;
      case 'drain':
        this.#drain();
        return;
      case 'generation': {
        const rc = op.number === 0 ? 'outbound' : 'outbound~1';
        if (op.on) envoy.useRoutes(rc);
        else if (envoy.askedRoutes.size > 1) envoy.dropRoutes(rc);
        return;
      }
      case 'refuse': {
        const prefix = { cds: 'c', vhds: 'h', eds: 'e', lds: 'l' }[op.type];
        envoy.refuses.add(`${op.type} ${prefix}-${this.#version + 1 + op.next}`);
        // And the listener of the next generation.
        const { version } = mesh.listeners.get('outbound') ?? { version: '' };
        if (op.type === 'lds') envoy.refuses.add(`lds ${version}~${1 + (this.#renewals?.count ?? 0)}`);
        return;
      }
    }
  }

  /** A client has come back, and not all that it says first has been heard: the server is never as busy as its waits are long (S4, S9, S13). */
  get #mustHurry(): boolean {
    const { keepsClustersBack, outbox } = this.envoy;
    const isComing = outbox.some(({ initialResourceVersions }) => initialResourceVersions.size > 0);
    return keepsClustersBack || (this.#renewals !== undefined && isComing);
  }

  /** The route configuration in use, or one before it that drains. */
  #rcOf(generation: number): string {
    if (this.#renewals === undefined) return 'outbound';
    const { routesInUse, askedRoutes } = this.envoy;
    return (generation === 0 ? undefined : [...askedRoutes].find((name) => name !== routesInUse)) ?? routesInUse;
  }

  #up(count: number): void {
    for (let left = count; left > 0; left--) {
      const request = this.envoy.outbox.shift();
      if (request === undefined) return;
      this.#entitle();
      this.#audit.asked(request, this.#member.acks !== undefined);
      if (request.typeUrl === typeUrlOf('rds')) {
        for (const name of request.subscribe) this.#heard.add(name);
        for (const name of request.unsubscribe) this.#heard.delete(name);
      }
      this.#hub.request(this.#member, request);
    }
  }

  #down(count: number): void {
    for (let left = count; left > 0; left--) {
      const response = this.#inbox.shift();
      if (response === undefined) return;
      this.envoy.receive(response);
      this.#audit.held(this.envoy);
      if (this.#strict) this.#checkClusters();
      if (this.#strict && response.type === 'vhds') this.#checkAssignments(response);
    }
  }

  /** S4, S9: whatever virtual host Envoy holds, it holds the clusters that this one names. */
  #checkClusters(): void {
    for (const [name, { version }] of this.envoy.hosts)
      for (const cluster of this.#clustersOf.get(version) ?? [])
        assert.ok(
          this.envoy.clusters.has(cluster),
          `S9: ${name}@${version} names ${cluster}, which Envoy does not hold`,
        );
  }

  /** S4: a virtual host that has just come, or has changed, leads to no cluster that has never had an assignment. */
  #checkAssignments({ resources }: SimResponse): void {
    for (const { name, version } of resources)
      for (const cluster of this.envoy.hosts.has(name) ? (this.#clustersOf.get(version) ?? []) : []) {
        const eds = this.envoy.clusters.get(cluster)?.eds;
        assert.ok(
          eds === undefined || this.envoy.assignments.has(eds),
          `S4: ${name}@${version} comes before the assignment of ${cluster}`,
        );
      }
  }

  /** S8, on a copy of the client that takes everything at once: an asked host that exists never loses its answer on the way. */
  #follow({ resources, removed }: SimResponse): void {
    const answered = (name: string): boolean => {
      const slash = name.indexOf('/');
      for (const [key, domains] of this.#mirror)
        if (key.startsWith(name.slice(0, slash + 1)) && domains.includes(name.slice(slash + 1))) return true;
      return false;
    };
    const unheard = new Set(this.envoy.outbox.flatMap(({ subscribe }) => subscribe));
    const before = [...this.envoy.askedHosts].filter((name) => !unheard.has(name) && answered(name));
    for (const name of removed) this.#mirror.delete(name);
    for (const { name, body, domains } of resources) if (body !== undefined) this.#mirror.set(name, domains);
    for (const name of before) {
      const port = this.#view.resolveHost(name.slice(name.indexOf('/') + 1));
      // That it has come back, the session may not have been told.
      if (port === undefined || this.mesh.unreported(`svc|${port.slice(0, port.indexOf(':'))}`)) continue;
      if (this.#view.get('vhds', port) !== undefined)
        assert.ok(answered(name), `S8: ${name} loses its answer on the way`);
    }
  }

  #pass(ms: number): void {
    this.#now += ms;
    for (let due = this.#due(); due !== undefined; due = this.#due()) {
      this.#timers.splice(this.#timers.indexOf(due), 1);
      due.run();
    }
  }

  #due(): { at: number; run: () => void } | undefined {
    return this.#timers.find(({ at }) => at <= this.#now);
  }

  #reconnect(): void {
    this.#hub.leave(this.#member);
    this.#inbox = [];
    this.#held = false;
    this.#pauseAsked = false;
    this.#brought = new Set([...this.envoy.hosts.keys()].map((name) => name.slice(name.indexOf('/') + 1)));
    for (const name of this.envoy.clusters.keys()) if (!name.includes('/')) this.#brought.add(name);
    this.#mirror = new Map();
    for (const [name, { domains }] of this.envoy.hosts) this.#mirror.set(name, domains);
    this.#heard.clear();
    this.#renewals?.begin();
    this.#member = this.#join();
    this.#audit.begin(this.envoy);
    this.envoy.connect();
  }

  #drain(): void {
    this.#held = false;
    this.#pauseAsked = false;
    this.#hub.drained(this.#member);
  }

  /** Every service is there and has been called. */
  useAll(): void {
    for (const service of SERVICES.keys()) {
      this.step({ do: 'service', service, canary: false, roaming: 0 });
      this.step({ do: 'call', host: service, generation: 0 });
    }
    this.settle();
  }

  /** Lets everything settle. */
  settle(): void {
    if (this.#renewals !== undefined) this.#renewals.longest = 0;
    void this.#hub.wake();
    for (let round = 0; round < 400; round++) {
      if (this.#held || this.#pauseAsked) this.#drain();
      while (this.#later.length > 0) this.#later.shift()?.();
      this.#up(1_000);
      this.#down(1_000);
      const quiet =
        this.envoy.outbox.length === 0 && this.#inbox.length === 0 && this.#later.length === 0 && !this.#pauseAsked;
      if (!quiet || this.#giveUp()) continue;
      if (this.#renewals !== undefined && this.envoy.askedRoutes.size > 1) {
        this.envoy.drained();
        continue;
      }
      if (this.#renewals?.learn() === true) {
        void this.#hub.wake();
        continue;
      }
      if (this.#timers.length === 0) return;
      this.#pass(Math.max(1_100, Math.min(...this.#timers.map(({ at }) => at)) - this.#now));
    }
    assert.fail('it does not come to rest');
  }

  /** Envoy waits for an assignment that it has refused itself, or whose stream broke, until its time-out. */
  #giveUp(): boolean {
    return this.envoy.giveUpWarming((name) => {
      const goal = this.#view.get('eds', name) ?? this.mesh.placeholder('eds', name);
      return this.envoy.refuses.has(`eds ${goal.version}`);
    });
  }

  get renewals(): number {
    return this.#renewals?.count ?? 0;
  }

  /** S1, S3, S12 at rest. */
  check(): void {
    const { envoy, mesh } = this;
    const view = this.#view;
    const refused = (type: string, version: string): boolean => envoy.refuses.has(`${type} ${version}`);
    assert.deepEqual([...envoy.pendingHosts], [], 'S3: hosts without an answer');
    assert.deepEqual([...envoy.pendingClusters], [], 'S3: clusters without an answer');
    const needed = new Set(view.own('cds'));
    for (const rc of envoy.askedRoutes) {
      assert.ok(envoy.primed.has(rc), `S12: ${rc} was not primed`);
      const wanted = new Set(view.preload());
      for (const name of envoy.askedHosts)
        if (name.startsWith(`${rc}/`)) {
          const port = view.resolveHost(name.slice(rc.length + 1));
          if (port !== undefined) wanted.add(port);
        }
      for (const port of wanted) {
        for (const cluster of view.clustersOf(port)) needed.add(cluster);
        const body = view.get('vhds', port);
        const held = envoy.hosts.get(`${rc}/${port}`)?.version;
        if (body === undefined) continue;
        if (!refused('vhds', body.version) && !this.#blocked(rc, port))
          assert.equal(held, body.version, `S1: ${rc}/${port}`);
        else assert.notEqual(held, body.version);
      }
      for (const [name, { version }] of envoy.hosts) {
        if (!name.startsWith(`${rc}/`)) continue;
        const port = name.slice(rc.length + 1);
        if (wanted.has(port)) continue;
        assert.ok(this.#brought.has(port), `S1: ${name} is held for no reason`);
        const body = view.get('vhds', port);
        assert.ok(body !== undefined, `S1: ${name} is held and does not exist`);
        if (!refused('vhds', body.version) && !this.#blocked(rc, port)) assert.equal(version, body.version);
        for (const cluster of view.clustersOf(port)) needed.add(cluster);
      }
    }
    // Clusters of virtual hosts that are kept because their successor was refused.
    const kept = envoy.refusals.length > 0;
    for (const name of new Set([...needed, ...envoy.askedClusters])) {
      const goal = view.get('cds', name) ?? mesh.placeholder('cds', name);
      const held = envoy.clusters.get(name)?.version;
      if (refused('cds', goal.version)) continue;
      if (kept && view.get('cds', name) === undefined) continue;
      assert.equal(held, goal.version, `S1: cluster ${name}`);
    }
    for (const [name, { eds, warming }] of envoy.clusters) {
      if (!needed.has(name) && !envoy.askedClusters.has(name) && !kept)
        assert.ok(
          this.#brought.has(name) && view.get('cds', name) !== undefined,
          `S1: cluster ${name} is held for no reason`,
        );
      if (eds === undefined) continue;
      const goal = view.get('eds', eds) ?? mesh.placeholder('eds', eds);
      if (refused('eds', goal.version) || (kept && view.get('eds', eds) === undefined)) continue;
      assert.equal(warming, false, `S4: ${name} still warms`);
      assert.equal(envoy.assignments.get(eds), goal.version, `S1: assignment ${eds}`);
    }
    for (const name of mesh.listeners.keys()) {
      const { version } = view.get('lds', name) ?? { version: '' };
      if (!refused('lds', version)) assert.equal(envoy.listeners.get(name), version, `S1: listener ${name}`);
    }
    if (this.#renewals !== undefined && this.#strict)
      assert.deepEqual(
        this.#renewals.stale((host) => view.resolveHost(host)),
        [],
        'stale hosts are held at rest though nothing held the renewal back',
      );
    assert.deepEqual([...envoy.remembered.keys()], [], 'names of ended generations are remembered at rest');
    if (this.#strict) this.#audit.agree(this.#member.session.resources(), envoy);
    if (this.#strict) assert.deepEqual(envoy.refusals, [], 'Envoy refused something');
    else
      assert.deepEqual(
        envoy.refusals.filter((text) => !/cannot take|Error adding/.test(text)),
        [],
        'Envoy refused something that it was not told to',
      );
  }

  /** True when a domain of this virtual host is still held by another one whose newest version was refused (S8 wins over S1). */
  #blocked(rc: string, port: string): boolean {
    if (this.#strict) return false;
    const domains = this.mesh.hosts.get(port)?.domains ?? [];
    for (const [name, held] of this.envoy.hosts) {
      if (!name.startsWith(`${rc}/`) || name === `${rc}/${port}`) continue;
      if (held.domains.some((domain) => domains.includes(domain))) return true;
    }
    // Bound to a refused one: what it lost would have gone there.
    return this.envoy.refusals.length > 0 && this.#lostTo(rc, port);
  }

  #lostTo(rc: string, port: string): boolean {
    const held = this.envoy.hosts.get(`${rc}/${port}`);
    const now = this.mesh.hosts.get(port)?.domains ?? [];
    return held?.domains.some((domain) => !now.includes(domain)) ?? false;
  }
}

/** `renewed`: by the server; returns how often it was. `portion`: names of a type that a pass looks at. */
export const run = (ops: readonly Op[], refusals: boolean, renewed = false, portion?: number): number => {
  const world = new World(!refusals, renewed, portion);
  if (renewed) world.useAll();
  for (const op of ops) world.step(op);
  world.settle();
  world.check();
  return world.renewals;
};
