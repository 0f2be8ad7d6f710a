/** The twin of `model-world.ts` for state-of-the-world streams: a mesh, the real hub, a simulated client, and everything in steps. */
import assert from 'node:assert/strict';
import type { Effect, SendEffect } from '../../../src/delta-xds/effect.ts';
import { Hub } from '../../../src/delta-xds/hub.ts';
import type { Member } from '../../../src/delta-xds/hub-member.ts';
import {
  DEFAULT_SESSION_LIMITS,
  type NodeView,
  SharedShapes,
  zeroSessionCounters,
} from '../../../src/delta-xds/index.ts';
import { typeOf, typeUrlOf } from '../../../src/delta-xds/resource-type.ts';
import { assignmentBody, clusterBody, listenerBody, MemoryMesh, nodeOf } from './memory-mesh.ts';
import { CALLER, NAMES, PREFIX, SERVICES, type StateOp } from './model-state-ops.ts';
import { isFull, isStateType, SimStateClient, STATE_TYPES, type StateType } from './sim-state-client.ts';

const numberOf = (version: string): number => Number(/^[a-z]-([0-9]+)$/.exec(version)?.[1] ?? -1);

class StateWorld {
  readonly #mesh = new MemoryMesh();
  readonly #client: SimStateClient;
  readonly #hub: Hub;
  readonly #later: (() => void)[] = [];
  readonly #timers: { at: number; run: () => void }[] = [];
  readonly #calm: boolean;
  readonly #partial: boolean;
  #view: NodeView;
  #member: Member;
  #inbox: SendEffect[] = [];
  #now = 0;
  #version = 0;
  #held = false;
  #pauseAsked = false;
  /** Names of the last request of a type that the server had to heed; undefined: everything. */
  #heeded = new Map<StateType, ReadonlySet<string> | undefined>();
  readonly #lastNonce = new Map<string, string>();
  /** Types whose next change the client cannot take. */
  readonly #refuseNext = new Set<StateType>();
  /** `<type> <name> <version>` known to be what the client cannot take, on this stream. */
  readonly #parked = new Set<string>();
  readonly #newest = new Map<string, number>();

  constructor(calm: boolean, partial: boolean) {
    this.#calm = calm;
    this.#partial = partial;
    this.#client = new SimStateClient(nodeOf(CALLER), partial);
    this.#mesh.inbound.set('inbound:80', clusterBody('inbound:80', 'c-0', false));
    this.#hub = new Hub({
      source: this.#mesh,
      shapes: new SharedShapes(),
      session: { limits: { ...DEFAULT_SESSION_LIMITS, responseBytes: 400 }, counters: zeroSessionCounters() },
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
      tag: () => 't',
    });
    this.#view = this.#mesh.attach(nodeOf(CALLER));
    this.#member = this.#join();
  }

  #join(): Member {
    this.#view = this.#mesh.attach(nodeOf(CALLER));
    return this.#hub.join(
      this.#view,
      {
        execute: (effect) => this.#execute(effect),
        fail: (error) => {
          throw error;
        },
      },
      'sotw',
    );
  }

  #execute(effect: Effect): void {
    if (effect.kind === 'pause') this.#pauseAsked = true;
    assert.notEqual(effect.kind, 'close');
    if (effect.kind === 'rejected' && effect.final)
      for (const { name, version } of effect.items) this.#parked.add(`${effect.type} ${name} ${version}`);
    if (effect.kind !== 'send') return;
    for (const { name, version } of effect.resources)
      assert.ok(!this.#parked.has(`${effect.type} ${name} ${version}`), `W6: ${effect.type} ${name}@${version} again`);
    const { type, nonce, resources, versionInfo } = effect;
    if (!isStateType(type)) assert.fail(`W7: a response of type ${type}`);
    assert.notEqual(versionInfo ?? '', '');
    assert.ok(nonce !== '' && ![...this.#lastNonce.values()].includes(nonce), 'nonces are unlike');
    this.#lastNonce.set(type, nonce);
    const names = resources.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, `a name twice in ${type} ${names.join(' ')}`);
    assert.ok(this.#heeded.has(type), `W7: ${type} was not asked for`);
    const asked = this.#heeded.get(type) ?? this.#everything(type);
    for (const name of names) assert.ok(asked.has(name), `W7: ${type} ${name} was not asked for`);
    this.#inbox.push(effect);
  }

  #everything(type: StateType): ReadonlySet<string> {
    if (type === 'lds') return new Set(this.#view.own('lds'));
    return new Set([...this.#view.own('cds'), ...this.#view.preload().flatMap((port) => this.#view.clustersOf(port))]);
  }

  step(op: StateOp): void {
    const before = this.#view.preload().join();
    this.#do(op);
    // The caller's record changes only when what it is preloaded with does.
    if (this.#view.preload().join() !== before) this.#mesh.changed(`caller|${CALLER}`);
  }

  #do(op: StateOp): void {
    const mesh = this.#mesh;
    switch (op.do) {
      case 'put':
      case 'gone':
        this.#put(op.type, op.at, op.do === 'put');
        return;
      case 'want': {
        const names = op.at.flatMap((index) => NAMES[op.type][index] ?? []);
        this.#client.want(op.type, names);
        return;
      }
      case 'preload':
        mesh.preloads.set(
          CALLER,
          op.at.flatMap((index) => SERVICES[index] ?? []),
        );
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'deny':
        if (op.on) mesh.denied.add(`${CALLER} ${SERVICES[op.at] ?? ''}`);
        else mesh.denied.delete(`${CALLER} ${SERVICES[op.at] ?? ''}`);
        mesh.changed(`caller|${CALLER}`);
        return;
      case 'refuse':
        this.#refuseNext.add(op.type);
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
      case 'up':
        this.#up(op.count);
        return;
      case 'down':
        this.#down(op.count);
        return;
      case 'time':
        this.#pass(op.ms);
        return;
      case 'reconnect':
        this.#hub.leave(this.#member);
        this.#inbox = [];
        this.#held = false;
        this.#pauseAsked = false;
        this.#heeded = new Map();
        this.#lastNonce.clear();
        this.#parked.clear();
        this.#member = this.#join();
        this.#client.connect();
        return;
      case 'hold':
        this.#held = true;
        this.#hub.hold(this.#member);
        return;
      case 'drain':
        this.#drain();
        return;
    }
  }

  #put(type: StateType, index: number, there: boolean): void {
    const mesh = this.#mesh;
    // The last name of each type never exists.
    const name = NAMES[type][index % (NAMES[type].length - 1)] ?? '';
    const version = `${PREFIX[type]}-${++this.#version}`;
    if (there && this.#refuseNext.delete(type)) this.#client.refuses.add(`${type} ${version}`);
    switch (type) {
      case 'cds':
        if (name !== 'inbound:80') {
          mesh.set('cds', name, there ? clusterBody(name, version, true) : undefined);
          mesh.changed(`svc|${name.slice(0, name.indexOf(':'))}`);
          return;
        }
        if (there) mesh.inbound.set(name, clusterBody(name, version, false));
        else mesh.inbound.delete(name);
        mesh.changed(`own|${CALLER}|1`);
        return;
      case 'eds':
        mesh.set('eds', name, there ? assignmentBody(name, version, [80]) : undefined);
        return;
      case 'lds':
        if (there) mesh.listeners.set(name, listenerBody(name, version));
        else mesh.listeners.delete(name);
        mesh.changed(`own|${CALLER}|1`);
        return;
      case 'sds':
        if (there) mesh.raw.set(`sds ${name}`, { version, body: Buffer.from(version) });
        else mesh.raw.delete(`sds ${name}`);
        mesh.changed(`raw||${typeUrlOf('sds')}|${name}`, `rawset||${typeUrlOf('sds')}`);
        return;
    }
  }

  #up(count: number): void {
    for (let left = count; left > 0; left--) {
      const request = this.#client.outbox.shift();
      if (request === undefined) return;
      const type = typeOf(request.typeUrl);
      if (!isStateType(type)) assert.fail(type);
      // An ACK that waits is taken along with what follows it; then what the server had to heed between the two is not seen here.
      while (this.#member.acks !== undefined && this.#later.length > 0) this.#later.shift()?.();
      const last = this.#lastNonce.get(type) ?? '';
      if (last === '' || request.responseNonce === '' || request.responseNonce === last) {
        const before = this.#heeded.get(type);
        const named = this.#heeded.has(type) && before !== undefined;
        const all = isFull(type) && request.names.length === 0 && !named;
        this.#heeded.set(type, all ? undefined : new Set(request.names));
      }
      this.#hub.request(this.#member, request);
    }
  }

  #down(count: number): void {
    for (let left = count; left > 0; left--) {
      const response = this.#inbox.shift();
      if (response === undefined) return;
      this.#client.receive(response);
      // A gRPC client takes what is good in a refused full response; while its parts are tried it gets the state before for the rest.
      if (this.#partial && isStateType(response.type) && isFull(response.type)) continue;
      this.#checkVersions();
    }
  }

  /** What the client holds never goes back. */
  #checkVersions(): void {
    for (const type of STATE_TYPES)
      for (const [name, version] of this.#client.watches[type].held) {
        const key = `${type} ${name}`;
        const number = numberOf(version);
        if (number < 0 || (this.#partial && isFull(type))) continue;
        assert.ok(number >= (this.#newest.get(key) ?? 0), `${key}: the client's version goes back to ${version}`);
        this.#newest.set(key, number);
      }
  }

  #pass(ms: number): void {
    this.#now += ms;
    for (;;) {
      const due = this.#timers.find(({ at }) => at <= this.#now);
      if (due === undefined) return;
      this.#timers.splice(this.#timers.indexOf(due), 1);
      due.run();
    }
  }

  #drain(): void {
    this.#held = false;
    this.#pauseAsked = false;
    this.#hub.drained(this.#member);
  }

  /** Lets everything settle. */
  settle(): void {
    void this.#hub.wake();
    for (let round = 0; round < 400; round++) {
      if (this.#held || this.#pauseAsked) this.#drain();
      while (this.#later.length > 0) this.#later.shift()?.();
      this.#up(1_000);
      this.#down(1_000);
      const quiet =
        this.#client.outbox.length === 0 && this.#inbox.length === 0 && this.#later.length === 0 && !this.#pauseAsked;
      if (!quiet) continue;
      if (this.#timers.length === 0) return;
      this.#pass(1_100);
    }
    assert.fail('it does not come to rest');
  }

  /** W1, W2, W8 at rest; and the server believes of the client what is true. */
  check(): void {
    const client = this.#client;
    const believed = this.#member.session.resources();
    for (const type of STATE_TYPES) {
      const { held, names, opened } = client.watches[type];
      if (!opened) continue;
      const wanted = client.isWildcard(type) ? this.#everything(type) : names;
      for (const name of wanted) {
        const goal = this.#view.get(type, name) ?? (type === 'eds' ? this.#mesh.placeholder('eds', name) : undefined);
        if (goal === undefined) {
          if (isFull(type)) assert.equal(held.get(name), undefined, `W2: ${type} ${name} is gone`);
        } else if (client.refuses.has(`${type} ${goal.version}`)) assert.notEqual(held.get(name), goal.version);
        else assert.equal(held.get(name), goal.version, `W1: ${type} ${name}`);
      }
      for (const name of held.keys()) assert.ok(wanted.has(name), `W1: ${type} ${name} is held for no reason`);
      if (this.#partial) continue;
      for (const { name, version } of believed.filter((resource) => resource.type === type && resource.version !== ''))
        assert.equal(held.get(name), version, `the server believes ${type} ${name}@${version}`);
    }
    if (!this.#calm) return;
    assert.deepEqual(client.refusals, [], 'the client refused something');
    const subscribed = [...client.warming].filter((name) => client.watches.eds.names.has(name));
    assert.deepEqual(subscribed, [], 'W8: clusters still warm');
  }
}

/** `refusals`: the client may refuse; `partial`: it then takes the good part. */
export const runState = (ops: readonly StateOp[], refusals: boolean, partial = false): void => {
  const world = new StateWorld(!refusals, partial);
  for (const op of ops) world.step(op);
  world.settle();
  world.check();
};
