/** What the agent does about the application (src/agent/supervision.ts, S1 to S8). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stepSupervision } from '../../src/agent/supervision.ts';
import {
  FRESH,
  type SupervisionEffect,
  type SupervisionFact,
  type SupervisionOptions,
  type SupervisionState,
} from '../../src/agent/supervision-state.ts';

const RESTARTS = { most: 3, windowMs: 600_000, baseMs: 1_000, maxMs: 4_000, healthyMs: 60_000 };
const OPTIONS: SupervisionOptions = {
  owns: true,
  restarts: RESTARTS,
  startupMs: 30_000,
  graceMs: 1_000,
  killMs: 10_000,
};

/** A supervision with its clock; sayings are kept apart from what is done. */
class Story {
  state: SupervisionState = FRESH;
  now = 0;
  readonly said: string[] = [];
  readonly #options: SupervisionOptions;

  constructor(options: Partial<SupervisionOptions> = {}) {
    this.#options = { ...OPTIONS, ...options };
  }

  raw(fact: SupervisionFact): readonly SupervisionEffect[] {
    const step = stepSupervision(this.state, fact, this.#options, { now: this.now, random: () => 0.999 });
    this.state = step.state;
    for (const effect of step.effects) if (effect.is === 'say') this.said.push(`${effect.code ?? ''} ${effect.text}`);
    return step.effects;
  }

  tell(fact: SupervisionFact): readonly string[] {
    return this.raw(fact).flatMap((effect) => {
      if (effect.is === 'say') return [];
      return 'signal' in effect ? [effect.signal] : 'code' in effect ? [`end ${effect.code}`] : [effect.is];
    });
  }

  due(): readonly string[] {
    assert.ok(Number.isFinite(this.state.dueAt), `nothing is due: ${JSON.stringify(this.state)}`);
    this.now = Math.max(this.now, this.state.dueAt);
    return this.tell({ is: 'tick', why: 'GET http://x: status 503' });
  }
}

const exited = (code: number): SupervisionFact => ({ is: 'exited', code, how: `exit code ${code}` });
const STARTED: SupervisionFact = { is: 'started', pid: 1 };

const running = (options: Partial<SupervisionOptions> = {}): Story => {
  const story = new Story(options);
  assert.deepEqual(story.tell({ is: 'begin' }), ['spawn']);
  story.tell(STARTED);
  assert.deepEqual(story.tell({ is: 'ready' }), ['in']);
  return story;
};

test('S2, S3: an application that ends is taken out and started again with growing waits; too often ends the agent with 1', () => {
  const story = running();
  const waits: number[] = [];
  for (let restart = 0; restart < RESTARTS.most; restart++) {
    assert.deepEqual(story.tell(exited(9)), ['out']);
    waits.push(Math.round(story.state.dueAt - story.now));
    assert.deepEqual(story.due(), ['spawn']);
    story.tell(STARTED);
    assert.deepEqual(story.tell({ is: 'ready' }), ['in']);
  }
  assert.deepEqual(waits, [999, 1_998, 3_996]);
  assert.deepEqual(story.tell(exited(9)), ['out', 'drain']);
  assert.deepEqual(story.tell({ is: 'drained', how: '' }), ['end 1']);
  assert.match(story.said.at(-1) ?? '', /^APP_RESTART_LIMIT 3 restarts within 600 s .*exit code 9/);
});

test('S3: who was ready for a minute waits as the first time; restarts before the window are forgotten', () => {
  const story = running();
  for (let restart = 0; restart < 10; restart++) {
    assert.deepEqual(story.due(), [], 'ready for a minute');
    story.now += RESTARTS.windowMs;
    assert.deepEqual(story.tell(exited(0)), ['out']);
    assert.equal(Math.round(story.state.dueAt - story.now), 999);
    story.due();
    story.tell(STARTED);
    story.tell({ is: 'ready' });
  }
  assert.equal(story.state.restarts, 10);
});

test('S4, S5: stop drains, leaves time for running requests, asks, and kills whoever does not listen; the code is that of the application', () => {
  const story = running();
  assert.deepEqual(story.tell({ is: 'stop' }), ['drain']);
  assert.deepEqual(story.tell({ is: 'drained', how: '' }), []);
  const from = story.now;
  assert.deepEqual(story.due(), ['SIGTERM']);
  assert.equal(story.now - from, OPTIONS.graceMs);
  assert.deepEqual(story.due(), ['SIGKILL']);
  assert.deepEqual(story.tell(exited(137)), ['end 137']);
});

test('S5: a second stop kills; an application that ended while it was drained is not started again', () => {
  const hasty = running();
  hasty.tell({ is: 'stop' });
  assert.deepEqual(hasty.tell({ is: 'stop' }), ['SIGKILL']);
  assert.deepEqual(hasty.tell(exited(137)), ['end 137']);
  const early = running();
  early.tell({ is: 'stop' });
  assert.deepEqual(early.tell(exited(4)), []);
  assert.deepEqual(early.tell({ is: 'drained', how: '' }), ['end 4']);
});

test('S7: liveness ends an application of the agent, and no other; readiness ends none', () => {
  const story = running();
  assert.deepEqual(story.tell({ is: 'unready', why: 'x' }), ['out']);
  assert.deepEqual(story.tell({ is: 'ready' }), ['in']);
  assert.deepEqual(story.tell({ is: 'dead', why: 'x' }), ['out', 'SIGTERM']);
  assert.deepEqual(story.due(), ['SIGKILL']);
  assert.deepEqual(story.tell(exited(137)), []);
  assert.deepEqual(story.due(), ['spawn']);
  story.tell(STARTED);
  assert.deepEqual(story.tell({ is: 'dead', why: 'x' }), [], 'it starts');
  const beside = new Story({ owns: false });
  assert.deepEqual(beside.tell({ is: 'begin' }), []);
  assert.deepEqual(beside.tell({ is: 'ready' }), ['in']);
  assert.deepEqual(beside.tell({ is: 'dead', why: 'it hangs' }), []);
  assert.match(beside.said.at(-1) ?? '', /does not live: it hangs/);
  assert.deepEqual(beside.tell({ is: 'stop' }), ['drain']);
  assert.deepEqual(beside.tell({ is: 'drained', how: '' }), ['end 0']);
});

test('S7: who stops living during its start-up is ended at the end of it, unless it lives again', () => {
  const starting = (options: Partial<SupervisionOptions> = {}): Story => {
    const story = new Story(options);
    story.tell({ is: 'begin' });
    story.tell(STARTED);
    assert.deepEqual(story.tell({ is: 'dead', why: 'it hangs' }), []);
    return story;
  };
  const first = starting();
  assert.deepEqual(first.tell({ is: 'ready' }), ['SIGTERM'], 'the verdict is not told again');
  assert.match(first.said.at(-1) ?? '', /does not live: it hangs; it is ended/);
  first.tell(exited(143));
  assert.deepEqual(first.due(), ['spawn']);
  first.tell(STARTED);
  assert.deepEqual(first.tell({ is: 'ready' }), ['in'], 'another application');

  const back = starting();
  assert.deepEqual(back.tell({ is: 'live' }), []);
  assert.deepEqual(back.tell({ is: 'ready' }), ['in']);
  const never = starting();
  assert.deepEqual(never.due(), [], 'none was ready: left alone');
  assert.deepEqual(never.tell({ is: 'dead', why: 'it hangs' }), []);
  for (const options of [{ owns: false }, { restarts: undefined }])
    assert.deepEqual(starting(options).tell({ is: 'ready' }), ['in']);

  for (const isLate of [false, true]) {
    const again = running();
    again.tell(exited(9));
    again.due();
    again.tell(STARTED);
    if (!isLate) assert.deepEqual(again.tell({ is: 'dead', why: 'it hangs' }), [], 'it has its start-up time');
    const from = again.now;
    assert.deepEqual(again.due(), isLate ? [] : ['SIGTERM']);
    assert.equal(again.now - from, OPTIONS.startupMs);
    if (isLate) assert.deepEqual(again.tell({ is: 'dead', why: 'it hangs' }), ['SIGTERM']);
    assert.equal(again.said.filter((line) => line.startsWith('APP_NEVER_READY')).length, 1);
    again.tell(exited(143));
    assert.deepEqual(again.due(), ['spawn']);
  }
});

test('S8: an application that never gets ready is said to be so, with the reason, and left alone; the exit code says it too', () => {
  const story = new Story();
  story.tell({ is: 'begin' });
  story.tell(STARTED);
  assert.deepEqual(story.due(), []);
  assert.match(story.said.at(-1) ?? '', /^APP_NEVER_READY .*30 s after its start: GET http:\/\/x: status 503/);
  assert.equal(story.state.dueAt, Number.POSITIVE_INFINITY, 'said once');
  story.tell({ is: 'stop' });
  story.tell({ is: 'drained', how: '' });
  story.due();
  assert.deepEqual(story.tell(exited(0)), ['end 1']);
  const late = new Story();
  late.tell({ is: 'begin' });
  late.tell(STARTED);
  late.due();
  assert.deepEqual(late.tell({ is: 'ready' }), ['in'], 'late is not never');
});

test('a program that cannot be started ends the agent at once; without restarts the end of the application is the end', () => {
  const story = new Story();
  story.tell({ is: 'begin' });
  assert.deepEqual(story.tell({ is: 'failed', why: 'there is no program "x"' }), ['end 1']);
  assert.match(story.said.at(-1) ?? '', /^APP_NOT_STARTED .*there is no program "x"/);
  const once = running({ restarts: undefined });
  assert.deepEqual(once.tell({ is: 'dead', why: 'x' }), []);
  assert.deepEqual(once.tell(exited(3)), ['out', 'drain']);
  assert.deepEqual(once.tell({ is: 'drained', how: '' }), ['end 3']);
});

const facts = fc.constantFrom<SupervisionFact>(
  { is: 'tick' },
  { is: 'tick' },
  { is: 'ready' },
  { is: 'ready' },
  { is: 'unready', why: 'x' },
  { is: 'dead', why: 'x' },
  { is: 'live' },
  exited(1),
  exited(0),
  { is: 'drained', how: '' },
  { is: 'stop' },
);

test('S1 to S6 hold whatever happens, in any order, with any pauses', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(facts, fc.integer({ min: 0, max: 90_000 })), { maxLength: 80 }),
      fc.boolean(),
      (facts, owns) => {
        const story = new Story({ owns });
        let [alive, isIn, stopped, drained, draining, ended] = [false, false, false, false, false, false];
        const spawns: number[] = [];
        const tell = (fact: SupervisionFact): void => {
          for (const effect of story.raw(fact)) {
            assert.ok(!ended, 'S6');
            switch (effect.is) {
              case 'spawn':
                assert.ok(!alive, 'S1');
                assert.ok(!stopped, 'S4');
                spawns.push(story.now);
                alive = true;
                tell(STARTED);
                break;
              case 'in':
                assert.ok((alive || !owns) && fact.is === 'ready', 'S2');
                isIn = true;
                break;
              case 'out':
                assert.ok(isIn, 'S2');
                isIn = false;
                break;
              case 'drain':
                draining = true;
                break;
              case 'signal':
                assert.ok(owns && alive, 'S7');
                if (stopped && draining && effect.signal === 'SIGTERM') assert.ok(drained, 'S5');
                break;
              case 'end':
                assert.ok(!alive, 'S6');
                ended = true;
            }
          }
        };
        tell({ is: 'begin' });
        for (const [fact, pause] of facts) {
          // What cannot happen does not: only who lives ends or answers, only a drain that was begun is over.
          if ((fact.is === 'exited' && !alive) || (fact.is === 'drained' && (!draining || drained))) continue;
          if (
            (fact.is === 'ready' || fact.is === 'unready' || fact.is === 'dead' || fact.is === 'live') &&
            owns &&
            !alive
          )
            continue;
          story.now += pause;
          if (fact.is === 'exited') alive = false;
          if (fact.is === 'drained') drained = true;
          if (fact.is === 'stop') stopped = true;
          tell(fact);
          if (fact.is === 'exited') assert.ok(!isIn || draining, 'S2');
        }
        for (const [at, time] of spawns.entries()) {
          const window = spawns
            .slice(1)
            .filter((other) => other >= time && other - time < RESTARTS.windowMs - RESTARTS.maxMs);
          assert.ok(at === 0 || window.length <= RESTARTS.most, 'S3');
        }
      },
    ),
    { numRuns: 500 },
  );
});
