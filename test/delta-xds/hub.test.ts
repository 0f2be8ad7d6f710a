/** The hub: who is told, when, and in what order; the wheel and the index under it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noticesOf } from '../../src/delta-xds/change.ts';
import { Hub } from '../../src/delta-xds/hub.ts';
import type { Member } from '../../src/delta-xds/hub-member.ts';
import { DEFAULT_SESSION_LIMITS, type Effect, SharedShapes, zeroSessionCounters } from '../../src/delta-xds/index.ts';
import { TimerWheel } from '../../src/delta-xds/timer-wheel.ts';
import { CDS, type DeltaRequest, EDS } from '../../src/proto/index.ts';
import { assignmentBody, clusterBody, MemoryMesh, nodeOf } from './support/memory-mesh.ts';

const request = (typeUrl: string, parts: Partial<DeltaRequest> = {}): DeltaRequest => ({
  typeUrl,
  subscribe: [],
  unsubscribe: [],
  initialResourceVersions: new Map(),
  responseNonce: '',
  ...parts,
});

interface Seat {
  readonly member: Member;
  readonly effects: Effect[];
}

class Stage {
  readonly mesh = new MemoryMesh();
  readonly turns: (() => void)[] = [];
  readonly timers: { readonly at: number; readonly run: () => void }[] = [];
  now = 0;
  readonly hub = new Hub({
    source: this.mesh,
    shapes: new SharedShapes(),
    session: { limits: DEFAULT_SESSION_LIMITS, counters: zeroSessionCounters() },
    clock: () => this.now,
    later: (run) => this.turns.push(run),
    after: (ms, run) => {
      const timer = { at: this.now + ms, run };
      this.timers.push(timer);
      return () => {
        const at = this.timers.indexOf(timer);
        if (at >= 0) this.timers.splice(at, 1);
      };
    },
    tag: () => 't',
  });

  seat(caller: string): Seat {
    const effects: Effect[] = [];
    const member = this.hub.join(this.mesh.attach(nodeOf(caller)), {
      execute: (effect) => effects.push(effect),
      fail: (error) => {
        throw error;
      },
    });
    return { member, effects };
  }

  /** A seat that asked for an assignment, acknowledged, with its effects forgotten. */
  holder(caller: string, name: string): Seat {
    const seat = this.seat(caller);
    this.hub.request(seat.member, request(EDS, { subscribe: [name] }));
    this.hub.request(seat.member, request(EDS, { responseNonce: '1' }));
    seat.effects.length = 0;
    return seat;
  }

  turn(): void {
    this.turns.shift()?.();
  }
}

const sends = (seat: Seat): number => seat.effects.filter(({ kind }) => kind === 'send').length;

test('a change goes to the sessions concerned, 256 per turn, each once for ten changes', async () => {
  const stage = new Stage();
  stage.mesh.set('cds', 'a.shop:80', clusterBody('a.shop:80', 'c1', true));
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e0', [1]));
  stage.mesh.set('eds', 'b.shop:80', assignmentBody('b.shop:80', 'e0', [1]));
  const holders = Array.from({ length: 600 }, (_, index) => stage.holder(`app${index}.shop`, 'a.shop:80'));
  const other = stage.holder('app.shop', 'b.shop:80');
  await stage.hub.wake();
  const waits: Promise<number>[] = [];
  for (let version = 1; version <= 10; version++) {
    stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', `e${version}`, [1]));
    waits.push(stage.hub.wake());
  }
  let done = false;
  const told = Promise.all(waits).then((epochs) => {
    done = true;
    return epochs;
  });
  stage.turn();
  assert.equal(holders.filter((seat) => sends(seat) === 1).length, 256);
  stage.turn();
  await Promise.resolve();
  assert.equal(done, false, 'the wake ends when the last session has been told');
  stage.turn();
  assert.equal(holders.filter((seat) => sends(seat) === 1).length, 600);
  assert.deepEqual(
    holders.map(({ effects }) =>
      effects.flatMap((effect) => (effect.kind === 'send' ? effect.resources[0]?.version : [])),
    ),
    holders.map(() => ['e10']),
  );
  assert.deepEqual(await told, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.equal(sends(other), 0);
  assert.equal(stage.turns.length, 0);
});

test('a question overtakes the line, and knows what its session has in line', async () => {
  const stage = new Stage();
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e0', [1]));
  const seats = Array.from({ length: 100 }, (_, index) => stage.holder(`app${index}.shop`, 'a.shop:80'));
  const last = seats[99];
  assert.ok(last !== undefined);
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e1', [1]));
  void stage.hub.wake();
  stage.hub.request(last.member, request(CDS));
  const versions = last.effects.flatMap((effect) =>
    effect.kind === 'send' && effect.type === 'eds' ? effect.resources : [],
  );
  assert.deepEqual(
    versions.map(({ version }) => version),
    ['e1'],
  );
  stage.turn();
  stage.turn();
  assert.equal(last.effects.filter((effect) => effect.kind === 'send' && effect.type === 'eds').length, 1);
});

test('a wake with nothing to tell is over at once', async () => {
  const stage = new Stage();
  stage.holder('app.shop', 'a.shop:80');
  assert.equal(await stage.hub.wake(), 0);
  stage.mesh.set('eds', 'zzz.shop:80', assignmentBody('zzz.shop:80', 'e1', [1]));
  assert.equal(await stage.hub.wake(), 1);
  assert.equal(stage.turns.length, 0);
});

test('who left is not told, and leaves nothing behind', async () => {
  const stage = new Stage();
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e0', [1]));
  const seat = stage.holder('app.shop', 'a.shop:80');
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e1', [1]));
  void stage.hub.wake();
  stage.hub.leave(seat.member);
  stage.turn();
  assert.equal(seat.effects.length, 0);
  assert.equal(stage.hub.size, 0);
  stage.hub.request(seat.member, request(CDS));
  assert.equal(seat.effects.length, 0);
});

test('the gate of a broadcast opens by the one timer after a second', () => {
  const stage = new Stage();
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e0', [1]));
  const seats = Array.from({ length: 3 }, (_, index) => stage.holder(`app${index}.shop`, 'a.shop:80'));
  for (const version of ['e1', 'e2']) {
    stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', version, [1]));
    void stage.hub.wake();
    stage.turn();
  }
  assert.deepEqual(seats.map(sends), [1, 1, 1]);
  assert.equal(stage.timers.length, 1);
  stage.now = 1_000;
  stage.timers.shift()?.run();
  assert.deepEqual(seats.map(sends), [2, 2, 2]);
});

test('a defect in one session ends that one alone', () => {
  const stage = new Stage();
  const failed: unknown[] = [];
  const effects: Effect[] = [];
  const view = stage.mesh.attach(nodeOf('bad.shop'));
  const broken = stage.hub.join(
    Object.assign(Object.create(view), {
      facts: view.facts,
      preload: () => [],
      rights: () => '',
      expired: () => [],
      own: () => {
        throw new Error('broken view');
      },
    }),
    { execute: (effect) => effects.push(effect), fail: (error) => failed.push(error) },
  );
  const good = stage.holder('app.shop', 'a.shop:80');
  stage.hub.request(broken, request(CDS));
  assert.equal(failed.length, 1);
  stage.hub.request(good.member, request(CDS));
  assert.equal(sends(good), 1);
});

test('keys of every kind find their audience', () => {
  const subjectOf = (name: string): string => new SharedShapes().subjectOf(name);
  const said = (key: string): string[] =>
    noticesOf(key, subjectOf).map(
      ({ audience, item }) =>
        `${audience.by}${'name' in audience ? ` ${audience.name}` : ''}: ${item.kind}${'name' in item ? ` ${item.name}` : ''}`,
    );
  assert.deepEqual(said('cds|ns:shop|a.shop:80/v2'), ['subject a.shop: cds a.shop:80/v2']);
  assert.deepEqual(said('eds||a.shop:80'), ['subject a.shop: eds a.shop:80']);
  assert.deepEqual(said('vhds||a.shop:80'), ['subject a.shop: vhds a.shop:80']);
  assert.deepEqual(said('cds||odd|name'), ['subject odd|name: cds odd|name']);
  assert.deepEqual(said('svc|a.shop'), ['subject a.shop: service a.shop', 'waiting: hosts']);
  assert.deepEqual(said('caller|a.shop'), ['caller a.shop: caller']);
  assert.deepEqual(said('caller|*.shop'), ['namespace shop: caller']);
  assert.deepEqual(said('caller|*'), ['all: caller']);
  assert.deepEqual(said('own|a.shop|1'), ['caller a.shop: own']);
  assert.deepEqual(said('local||a.shop'), ['caller a.shop: own']);
  assert.deepEqual(said('something|new'), ['all: everything']);
});

test('the wheel gives out what is due, in order, never early, at most a tick late', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ item: fc.nat({ max: 9 }), at: fc.nat({ max: 2_000 }), cancel: fc.boolean() }), {
        maxLength: 60,
      }),
      (ops) => {
        const wheel = new TimerWheel<number>(50);
        const model = new Map<number, number>();
        for (const { item, at, cancel } of ops)
          if (cancel) {
            wheel.cancel(item);
            model.delete(item);
          } else {
            wheel.schedule(item, at);
            model.set(item, at);
          }
        assert.equal(wheel.size, model.size);
        let before = 0;
        for (let now = 0; now <= 2_050; now += 50) {
          const next = wheel.next();
          for (const item of wheel.due(now)) {
            assert.ok(next !== undefined && next <= now);
            const at = model.get(item);
            assert.ok(at !== undefined && at <= now && at > now - 50 - 1, `${item} set for ${at} came at ${now}`);
            assert.ok(now >= before);
            before = now;
            model.delete(item);
          }
        }
        assert.equal(model.size, 0);
        assert.equal(wheel.next(), undefined);
      },
    ),
  );
});

test('a bare ACK that comes during a broadcast waits until all are told; a question of the same stream takes it along', async () => {
  const stage = new Stage();
  stage.mesh.set('cds', 'a.shop:80', clusterBody('a.shop:80', 'c1', true));
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e0', [1]));
  const holders = Array.from({ length: 600 }, (_, index) => stage.holder(`app${index}.shop`, 'a.shop:80'));
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e1', [1]));
  void stage.hub.wake();
  stage.turn();
  const served = holders.filter((seat) => sends(seat) === 1);
  const [first, second] = served;
  assert.ok(first !== undefined && second !== undefined);
  const acks = (seat: Seat): number => seat.effects.filter(({ kind }) => kind === 'acked').length;
  for (const { member } of served) stage.hub.request(member, request(EDS, { responseNonce: '2' }));
  assert.equal(served.filter((seat) => acks(seat) > 0).length, 0, 'all wait');
  stage.hub.request(second.member, request(EDS, { subscribe: ['b.shop:80'], responseNonce: '2' }));
  assert.deepEqual([acks(second), acks(first)], [1, 0]);
  while (stage.turns.length > 0) stage.turn();
  assert.equal(holders.filter((seat) => sends(seat) >= 1).length, 600);
  assert.ok(served.every((seat) => acks(seat) === 1));
  assert.equal(stage.hub.acksDeferred, served.length);
});

test('ACKs do not wait longer than a while, however long the broadcast', async () => {
  const stage = new Stage();
  stage.mesh.set('cds', 'a.shop:80', clusterBody('a.shop:80', 'c1', true));
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e0', [1]));
  const holders = Array.from({ length: 1_000 }, (_, index) => stage.holder(`app${index}.shop`, 'a.shop:80'));
  stage.mesh.set('eds', 'a.shop:80', assignmentBody('a.shop:80', 'e1', [1]));
  void stage.hub.wake();
  stage.turn();
  const first = holders.find((seat) => sends(seat) === 1);
  assert.ok(first !== undefined);
  stage.hub.request(first.member, request(EDS, { responseNonce: '2' }));
  stage.turn();
  assert.equal(
    first.effects.some(({ kind }) => kind === 'acked'),
    false,
  );
  stage.now += 51;
  stage.turn();
  assert.equal(
    first.effects.some(({ kind }) => kind === 'acked'),
    true,
  );
  assert.ok(stage.hub.waiting > 0, 'and the broadcast goes on');
});
