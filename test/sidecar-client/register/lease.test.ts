/** The life of a lease as its holder sees it (src/sidecar-client/register/lease.ts, L1 to L8), against a model of the control plane. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  freshLease,
  type LeaseAnswer,
  type LeaseEffect,
  type LeaseFact,
  type LeaseState,
  stepLease,
} from '../../../src/sidecar-client/register/lease.ts';

const TTL = 30_000;

/** A lease with its clock, and everything it sent. */
class Holder {
  state: LeaseState = freshLease(TTL);
  now = 0;
  readonly sent: LeaseEffect[] = [];

  feed(fact: LeaseFact): readonly LeaseEffect[] {
    const { state, effects } = stepLease(this.state, fact, { now: this.now, random: () => 0.5 });
    this.state = state;
    this.sent.push(...effects);
    return effects;
  }

  answer(answer: LeaseAnswer): readonly LeaseEffect[] {
    return this.feed({ is: 'answer', answer });
  }

  /** To the time when something is due. */
  due(): readonly LeaseEffect[] {
    assert.ok(Number.isFinite(this.state.dueAt), `nothing is due: ${JSON.stringify(this.state)}`);
    this.now = Math.max(this.now, this.state.dueAt);
    return this.feed({ is: 'tick' });
  }
}

const OK: LeaseAnswer = { is: 'ok', ttlMs: TTL };
const AWAY: LeaseAnswer = { is: 'away', code: 'SERVER_UNREACHABLE', message: 'gone' };

const registered = (): Holder => {
  const holder = new Holder();
  assert.deepEqual(holder.feed({ is: 'health', health: 'healthy' }), [{ is: 'put', health: 'healthy' }]);
  assert.deepEqual(holder.answer(OK), []);
  assert.equal(holder.state.phase, 'registered');
  return holder;
};

test('L2: an application that is not ready is not registered; the first healthy registers it', () => {
  const holder = new Holder();
  assert.deepEqual(holder.feed({ is: 'health', health: 'unhealthy' }), []);
  assert.equal(holder.state.phase, 'waiting');
  assert.equal(holder.state.dueAt, Number.POSITIVE_INFINITY);
  assert.deepEqual(holder.feed({ is: 'health', health: 'healthy' }), [{ is: 'put', health: 'healthy' }]);
});

test('L4: heartbeats at a third of the lease at most, without health while nothing changes', () => {
  const holder = registered();
  for (let beat = 0; beat < 3; beat++) {
    const from = holder.now;
    assert.deepEqual(holder.due(), [{ is: 'beat' }]);
    assert.ok(holder.now - from <= TTL / 3 && holder.now - from >= (TTL / 3) * 0.8);
    holder.answer(OK);
  }
  holder.due();
  holder.answer({ is: 'ok', ttlMs: 3_000 });
  assert.ok(holder.state.dueAt - holder.now <= 1_000, 'the lease is as long as the control plane says');
});

test('L3: a change of health goes at once; two changes back and forth while a request is on its way cost nothing', () => {
  const holder = registered();
  assert.deepEqual(holder.feed({ is: 'health', health: 'unhealthy' }), [{ is: 'beat', health: 'unhealthy' }]);
  assert.deepEqual(holder.feed({ is: 'health', health: 'healthy' }), [], 'L1');
  assert.deepEqual(holder.answer(OK), [{ is: 'beat', health: 'healthy' }]);
  assert.deepEqual(holder.feed({ is: 'health', health: 'unhealthy' }), []);
  assert.deepEqual(holder.feed({ is: 'health', health: 'healthy' }), []);
  assert.deepEqual(holder.answer(OK), []);
});

test('L3: away: tried again with back-off, and what is true then is told', () => {
  const holder = registered();
  holder.due();
  holder.answer(AWAY);
  assert.equal(holder.state.phase, 'unreachable');
  assert.deepEqual(holder.feed({ is: 'health', health: 'unhealthy' }), [], 'not faster than the back-off');
  for (let tries = 0; tries < 20; tries++) {
    const from = holder.now;
    assert.deepEqual(holder.due(), [{ is: 'beat', health: 'unhealthy' }]);
    assert.ok(holder.now - from <= 5_000);
    holder.answer(AWAY);
  }
  holder.due();
  assert.deepEqual(holder.answer(OK), []);
  assert.deepEqual([holder.state.phase, holder.state.known], ['registered', 'unhealthy']);
});

test('L5: LEASE_UNKNOWN registers anew with the present health; who slept through its lease asks first', () => {
  const holder = registered();
  holder.now += TTL * 10;
  assert.deepEqual(holder.feed({ is: 'tick' }), [{ is: 'beat' }]);
  holder.feed({ is: 'health', health: 'unhealthy' });
  assert.deepEqual(holder.answer({ is: 'unknown' }), [{ is: 'put', health: 'unhealthy' }]);
  holder.answer(OK);
  assert.equal(holder.state.phase, 'registered');
});

test('L6: LEASE_TAKEN is final', () => {
  const holder = registered();
  holder.due();
  assert.deepEqual(holder.answer({ is: 'taken', holder: 'other' }), []);
  assert.deepEqual([holder.state.phase, holder.state.holder], ['taken', 'other']);
  holder.now += TTL * 10;
  for (const fact of [{ is: 'tick' }, { is: 'health', health: 'unhealthy' }] as const)
    assert.deepEqual(holder.feed(fact), []);
  assert.deepEqual(holder.feed({ is: 'drain' }), [{ is: 'gone', withdrawn: false }], 'it withdraws nothing of another');
});

test('L7: drain says draining, then withdraws; a control plane that is away is asked until patience ends', () => {
  const holder = registered();
  assert.deepEqual(holder.feed({ is: 'drain' }), [{ is: 'beat', health: 'draining' }]);
  assert.deepEqual(holder.answer(OK), [{ is: 'remove' }]);
  assert.deepEqual(holder.answer({ is: 'ok', offset: 7 }), [{ is: 'gone', withdrawn: true, offset: 7 }]);

  const alone = registered();
  alone.feed({ is: 'drain' });
  alone.answer(AWAY);
  for (let tries = 0; tries < 5; tries++) {
    assert.deepEqual(alone.due(), [{ is: 'remove' }]);
    alone.answer(AWAY);
  }
  assert.deepEqual(alone.feed({ is: 'end' }), [{ is: 'gone', withdrawn: false, remains: true }]);
  assert.deepEqual(alone.feed({ is: 'end' }), [], 'L8');

  const never = new Holder();
  assert.deepEqual(never.feed({ is: 'drain' }), [{ is: 'gone', withdrawn: false }], 'nothing was registered');
  const lost = new Holder();
  lost.feed({ is: 'health', health: 'healthy' });
  lost.answer(AWAY);
  assert.deepEqual(lost.feed({ is: 'drain' }), [{ is: 'remove' }], 'it may have arrived');
});

const facts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<LeaseFact>({ is: 'tick' }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<LeaseFact>({ is: 'health', health: 'healthy' }, { is: 'health', health: 'unhealthy' }),
  },
  {
    weight: 6,
    arbitrary: fc
      .constantFrom<LeaseAnswer>(
        OK,
        OK,
        AWAY,
        { is: 'unknown' },
        { is: 'refused', code: 'E102', message: 'no' },
        { is: 'taken', holder: 'other' },
      )
      .map((answer): LeaseFact => ({ is: 'answer', answer })),
  },
  { weight: 1, arbitrary: fc.constantFrom<LeaseFact>({ is: 'drain' }, { is: 'end' }) },
);

test('L1, L2, L4, L6, L7, L8 hold whatever happens, in any order, with any pauses', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(facts, fc.integer({ min: 0, max: 60_000 })), { maxLength: 60 }), (story) => {
      const holder = new Holder();
      let healthySeen = false;
      let drained = false;
      let over: 'no' | 'taken' | 'gone' = 'no';
      let underWay = 0;
      for (const [fact, pause] of story) {
        holder.now += pause;
        if (fact.is === 'answer') underWay = Math.max(0, underWay - 1);
        if (fact.is === 'health' && fact.health === 'healthy') healthySeen = true;
        if (fact.is === 'drain') drained = true;
        for (const effect of holder.feed(fact)) {
          assert.notEqual(over, 'gone', 'L8');
          if (effect.is === 'gone') {
            over = 'gone';
            continue;
          }
          assert.equal(over, 'no', 'L6');
          assert.equal(++underWay, 1, 'L1');
          assert.ok(healthySeen, 'L2');
          if (drained && effect.is !== 'remove') assert.equal(effect.health, 'draining', 'L7');
        }
        if (holder.state.phase === 'taken') over = 'taken';
        const { phase, dueAt, request } = holder.state;
        if (phase === 'registered' && request === undefined) assert.ok(dueAt - holder.now <= TTL / 3, 'L4');
        // Whoever is not at an end has something on its way, or a time for the next.
        if (over === 'no' && holder.state.wanted !== undefined)
          assert.ok(request !== undefined || Number.isFinite(dueAt), JSON.stringify(holder.state));
        if (over !== 'no') underWay = 0;
      }
    }),
    { numRuns: 500 },
  );
});
