/**
 * Issue 5, 4.1: whatever comes, in whatever order, what each node is preloaded with equals a slow, plain model, which knows events and
 * reports as lists and looks all of them through for every question. The real side: fold, graph, keeper, joined as the core joins them.
 *
 * Also: a replay gives the same entities, and no edge expires that was used within its TTL, whether or not the log knew of that use, but
 * for uses of the last minute before a crash: those are lost.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Blindness, EdgeKeeper, type EdgeRef } from '../../src/dependency-graph/index.ts';
import { createFoldState } from '../../src/projector/fold/index.ts';
import { documentEvent, MESH, recordAt, Stored, type Told, told } from '../projector/fold/story.ts';
import { Mesh } from './mesh.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const TTL = 24 * HOUR;
const CALLERS = ['web.shop', 'api.shop'];
const CALLEES = ['cart.shop', 'mail.post', 'pay.bank'];
const RUNS = Number(process.env.GRAPH_LIFE_RUNS ?? 300);

const place = { caller: fc.nat(1), callee: fc.nat(2) };

type Op =
  | { readonly do: 'service'; readonly callee: number; readonly there: boolean; readonly hidden: boolean }
  | { readonly do: 'ask' | 'use'; readonly caller: number; readonly callee: number; readonly pod: number }
  | {
      readonly do: 'say';
      readonly caller: number;
      readonly callee: number;
      readonly what: 'pinned' | 'denied' | 'declared' | 'withdrawn';
    }
  | {
      readonly do: 'document';
      readonly caller: number;
      readonly callee: number;
      readonly form: 'to' | 'pin' | 'deny' | 'closed' | 'long' | 'none';
    }
  | { readonly do: 'pass'; readonly minutes: number }
  | { readonly do: 'silent' | 'returned'; readonly caller: number }
  | { readonly do: 'missing' | 'round' | 'crash' | 'restart' | 'zombie' | 'replay' };

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('service' as const),
      callee: place.callee,
      there: fc.boolean(),
      hidden: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const), ...place, pod: fc.nat(2) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('use' as const), ...place, pod: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('say' as const),
      ...place,
      what: fc.constantFrom('pinned' as const, 'denied' as const, 'declared' as const, 'withdrawn' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('document' as const),
      ...place,
      form: fc.constantFrom(
        'to' as const,
        'pin' as const,
        'deny' as const,
        'closed' as const,
        'long' as const,
        'none' as const,
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      minutes: fc.constantFrom(1, 30, 170, 200, 720, 1_440, 1_800, 3_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('silent' as const, 'returned' as const), caller: place.caller }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('round' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'missing' as const,
        'crash' as const,
        'restart' as const,
        'zombie' as const,
        'replay' as const,
      ),
    }),
  },
);

interface Fact {
  readonly at: number;
  readonly what: 'use' | 'expired';
}

/** The slow, plain model: lists of what happened, looked through each time. */
class Model {
  /** `<from>|<to>` -> what the log says of its evidence, in order. */
  readonly facts = new Map<string, Fact[]>();
  /** Uses told to the keeper that runs now. */
  readonly told = new Map<string, number[]>();
  /** All uses there ever were. */
  readonly uses = new Map<string, number[]>();
  /** Moments at which silence proved nothing: for one caller, or ('') for all. */
  readonly blind: { readonly caller: string; readonly at: number }[] = [];
  answered = false;

  note(edge: EdgeRef, fact: Fact): void {
    const key = `${edge.from}|${edge.to}`;
    this.facts.set(key, [...(this.facts.get(key) ?? []), fact]);
  }

  isLearned(key: string): boolean {
    return this.facts.get(key)?.at(-1)?.what === 'use';
  }

  /** How often it came back. */
  returned(key: string): number {
    const facts = this.facts.get(key) ?? [];
    const back = facts.filter((fact, at) => fact.what === 'use' && facts[at - 1]?.what === 'expired');
    return Math.min(3, back.length);
  }

  due(key: string, caller: string, ttl: number, now: number): boolean {
    if (!this.answered || !this.isLearned(key)) return false;
    const logged = (this.facts.get(key) ?? []).filter(({ what }) => what === 'use').map(({ at }) => at);
    const blind = this.blind.filter((one) => one.caller === '' || one.caller === caller).map(({ at }) => at);
    if (Math.max(0, ...(this.told.get(key) ?? [])) > Math.max(0, ...logged)) return false;
    const last = Math.max(0, ...logged, ...blind);
    return now - last >= ttl * 2 ** this.returned(key) * 1.25;
  }
}

class World {
  readonly mesh = new Mesh({ freeze: false });
  readonly model = new Model();
  readonly events: { readonly event: Told; readonly at: number }[] = [];
  readonly long = new Set<string>();
  now = Date.UTC(2026, 0, 1);
  keeper = this.#start({ all: this.now, callers: [] });
  #term = 0;
  /** Uses before it were looked at. */
  #roundAt = 0;

  constructor() {
    for (const name of CALLEES) this.#register(name, false);
    this.model.blind.push({ caller: '', at: this.now });
  }

  #start(blindness: Blindness): EdgeKeeper {
    const { fold } = this.mesh;
    return new EdgeKeeper(
      {
        callersWithEdges: () => fold.callersWithEdges(),
        edges: (caller) => fold.edges(caller),
        ttlMs: (caller) => fold.graphLookup.dependency(caller).ttlMs,
      },
      blindness,
    );
  }

  send(event: Told): string {
    this.events.push({ event, at: this.now });
    this.mesh.recordedAt = this.now;
    return this.mesh.apply(event)[0]?.status ?? 'none';
  }

  #register(callee: string, hidden: boolean): void {
    const [name = '', namespace = ''] = callee.split('.');
    this.send(
      told('service.registered', {
        namespace,
        name,
        ports: [{ port: 80, protocol: 'http' }],
        ...(hidden ? { visibility: 'namespace' as const } : {}),
      }),
    );
  }

  /** As `LearnedEdges` writes it. */
  #observe(edge: EdgeRef, pod: number, evidence: 'subscribed' | 'observed'): void {
    const known = this.mesh.fold.edges(edge.from).find(edge.to);
    const source = `sidecar:${edge.from}-${pod}`;
    const enough = (known?.witnesses.length ?? 0) >= 2 || known?.witnesses.includes(source) === true;
    if (enough && known?.evidence.includes(evidence) === true && known.expired !== true) return;
    this.send(told('dependency.observed', { ...edge, evidence }, { source }));
    this.model.note(edge, { at: this.now, what: 'use' });
  }

  #round(): void {
    const { model } = this;
    this.#roundAt = this.now + 1;
    const due = [...model.facts.keys()].filter((key) => {
      const [from = '', to = ''] = key.split('|');
      const pinned = this.mesh.fold.edges(from).find(to)?.pinned === true;
      return !pinned && model.due(key, from, this.long.has(from) ? 30 * TTL : TTL, this.now);
    });
    const { observe, renew, expire } = this.keeper.round(this.now);
    assert.deepEqual(expire.map(({ from, to }) => `${from}|${to}`).sort(), due.sort(), 'K2: what expires');
    for (const { from, to, node } of observe) this.#observe({ from, to }, Number(node.at(-1)), 'observed');
    if (renew.length > 0) this.send(told('dependency.renewed', { edges: [...renew] }, { source: 'tendril' }));
    for (const edge of renew) this.model.note(edge, { at: this.now, what: 'use' });
    if (expire.length > 0 && this.#term !== this.mesh.fold.keeperEpoch('edges')) this.#term = 0;
    if (expire.length > 0 && this.#term === 0) this.#elect();
    for (const { from, to, seen } of expire) {
      const key = `${from}|${to}`;
      const lastUse = Math.max(0, ...(model.uses.get(key) ?? []));
      assert.ok(
        this.now - lastUse >= (this.long.has(from) ? 30 * TTL : TTL),
        `${key} was used ${this.now - lastUse} ms ago`,
      );
      const status = this.send(
        told('dependency.expired', { from, to, seen, epoch: this.#term }, { source: 'tendril' }),
      );
      assert.equal(status, 'applied');
      model.note({ from, to }, { at: this.now, what: 'expired' });
    }
  }

  #elect(): void {
    this.#term = this.mesh.fold.keeperEpoch('edges') + 1;
    const event = told(
      'keeper.elected',
      { keeper: 'edges', epoch: this.#term, holder: 'replica' },
      { source: 'tendril' },
    );
    assert.equal(this.send(event), 'applied');
  }

  #answer(rows: Parameters<EdgeKeeper['holders']>[0], complete: boolean): void {
    this.keeper.holders(rows, complete, this.now);
    if (complete) this.model.answered = true;
    else this.model.blind.push({ caller: '', at: this.now });
  }

  do(op: Op): void {
    const from = 'caller' in op ? (CALLERS[op.caller] ?? '') : '';
    const callee = 'callee' in op ? (CALLEES[op.callee] ?? '') : '';
    const edge = { from, to: `${callee}:80` };
    const key = `${edge.from}|${edge.to}`;
    switch (op.do) {
      case 'service': {
        if (op.there) {
          this.#register(callee, op.hidden);
          return;
        }
        const [name = '', namespace = ''] = callee.split('.');
        this.send(told('service.deregistered', { namespace, name }));
        return;
      }
      case 'ask':
        this.model.uses.set(key, [...(this.model.uses.get(key) ?? []), this.now]);
        this.model.told.set(key, [...(this.model.told.get(key) ?? []), this.now]);
        this.keeper.asked(edge.from, edge.to, this.now);
        this.#observe(edge, op.pod, 'subscribed');
        return;
      case 'use': {
        this.model.uses.set(key, [...(this.model.uses.get(key) ?? []), this.now]);
        this.model.told.set(key, [...(this.model.told.get(key) ?? []), this.now]);
        const use = { ...edge, node: `pod-${op.pod}`, requests: 1, errors: 0, lastMs: this.now };
        if (this.keeper.used(use, this.now)) this.#observe(edge, op.pod, 'observed');
        return;
      }
      case 'say':
        this.send(told(`dependency.${op.what}`, edge, { source: 'ann' }));
        return;
      case 'document': {
        const spec = {
          to: { to: { [callee]: {} }, pin: { [callee]: { pin: true } }, deny: { [callee]: { deny: true } } }[
            op.form as string
          ],
          ...(op.form === 'closed' ? { learn: false } : {}),
          ...(op.form === 'long' ? { ttl: '720h' } : {}),
        };
        const [name = '', namespace = ''] = from.split('.');
        if (op.form === 'none') this.send(told('policy.deleted', { kind: 'Dependency', namespace, name }));
        else this.send(documentEvent('Dependency', name, JSON.parse(JSON.stringify(spec)), { namespace }));
        if (op.form === 'long') this.long.add(from);
        else this.long.delete(from);
        return;
      }
      case 'pass':
        this.now += op.minutes * MINUTE;
        return;
      case 'silent':
      case 'returned':
        this.#answer([{ caller: from, nodes: 3, silent: 0, returned: 0, [op.do]: 1 }], true);
        this.model.blind.push({ caller: from, at: this.now });
        return;
      case 'missing':
        this.#answer([], false);
        return;
      case 'round':
        this.#answer([], true);
        this.#round();
        return;
      case 'crash':
        // A short one: the next keeper knows what this one could not see. Uses since the last round are lost.
        for (const [one, times] of this.model.uses)
          this.model.uses.set(
            one,
            times.filter((at) => at < this.#roundAt),
          );
        this.keeper = this.#start(JSON.parse(JSON.stringify(this.keeper.blindness(this.now))) as Blindness);
        this.model.told.clear();
        this.model.answered = false;
        this.#term = 0;
        return;
      case 'restart': {
        // An orderly end first.
        const edges = [...this.keeper.flush(this.now)];
        if (edges.length > 0) this.send(told('dependency.renewed', { edges }, { source: 'tendril' }));
        for (const one of edges) this.model.note(one, { at: this.now, what: 'use' });
        this.do({ do: 'crash' });
        return;
      }
      case 'zombie': {
        // A keeper of an earlier term wakes up and says what it would have said then.
        const epoch = this.mesh.fold.keeperEpoch('edges');
        if (epoch === 0) return;
        this.#elect();
        this.#term = 0;
        for (const one of [...this.model.facts.keys()]) {
          const [by = '', to = ''] = one.split('|');
          const seen = this.mesh.fold.edges(by).find(to)?.lastOffset ?? 1;
          const status = this.send(told('dependency.expired', { from: by, to, seen, epoch }, { source: 'tendril' }));
          assert.equal(status, 'rejected', 'a keeper of an earlier term is fenced off');
        }
        return;
      }
      case 'replay':
        this.#replay();
        return;
    }
  }

  #replay(): void {
    const fold = createFoldState({ mesh: MESH });
    const [mine, other] = [new Stored(), new Stored()];
    for (const [at, { event, at: recordedAt }] of this.events.entries())
      fold.apply(recordAt(at + 1, event, { recordedAt }));
    mine.take(fold);
    const again = createFoldState({ mesh: MESH });
    for (const [at, { event, at: recordedAt }] of this.events.entries()) {
      again.apply(recordAt(at + 1, event, { recordedAt }));
      if (at % 3 === 0) other.take(again);
    }
    other.take(again);
    assert.deepEqual(other.entities, mine.entities);
    for (const caller of CALLERS) assert.deepEqual([...fold.edges(caller)], [...this.mesh.fold.edges(caller)]);
  }

  /** What each caller's nodes are preloaded with, from the lists alone. */
  check(): void {
    this.mesh.settle();
    const { fold, graph } = this.mesh;
    for (const caller of CALLERS) {
      const dependency = fold.graphLookup.dependency(caller);
      const [, namespace = ''] = caller.split('.');
      const expected = CALLEES.filter((callee) => {
        const service = fold.service(callee);
        const [, owner = ''] = callee.split('.');
        if (service === undefined || (service.visibility === 'namespace' && owner !== namespace)) return false;
        const stored = fold.edges(caller).find(`${callee}:80`);
        const target = dependency.to.find(({ key }) => key === callee);
        if (target?.deny === true || stored?.denied === true) return false;
        if (target !== undefined || stored?.pinned === true || (stored?.declaredBy.length ?? 0) > 0) return true;
        return dependency.learn && this.model.isLearned(`${caller}|${callee}:80`);
      });
      assert.deepEqual(
        graph.record(caller).preload,
        expected.map((callee) => `${callee}:80`).sort(),
        `${caller} is preloaded with`,
      );
      for (const edge of graph.edgesOf(caller, this.now)) {
        const key = `${caller}|${edge.to}:${edge.port ?? 80}`;
        if (edge.state === 'active' || edge.state === 'quiet' || edge.state === 'expiring')
          assert.notEqual(edge.origin === 'learned' && !this.model.isLearned(key), true, `${key} is ${edge.state}`);
        if (edge.state === 'expired') assert.equal(this.model.isLearned(key), false);
      }
    }
  }
}

test('any sequence of evidence, silence, words, time, crashes and replays leaves each node with what a plain model gives it', () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 5, maxLength: 80 }), (ops) => {
      const world = new World();
      for (const one of ops) {
        world.do(one);
        world.check();
      }
      world.do({ do: 'replay' });
    }),
    { numRuns: RUNS },
  );
});
