import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TendrilError } from '../../src/model/index.ts';
import { type DeliveryGroup, type DeliveryReport, Ledger } from '../../src/projector/index.ts';
import { RING_STEPS } from '../../src/projector/ledger-ring.ts';
import type { DiskGuard } from '../../src/store/index.ts';
import { Lines, ManualClock, tempDir } from './harness.ts';
import { MESH } from './mesh-events.ts';

const HOUR = 3_600_000;
const clock = new ManualClock();
const open = (dir: string, more: { maxResources?: number; guard?: DiskGuard } = {}): Promise<Ledger> =>
  Ledger.open({ dir, mesh: MESH, clock, logger: new Lines(), ...more });
interface Entry extends Omit<DeliveryGroup, 'steps'> {
  readonly node: string;
  readonly caller: string;
}
const entry = (more: Partial<Entry>): Entry => ({
  node: 'n1',
  caller: 'cart.shop',
  type: 'cds',
  name: 'redis.shop:6379',
  version: 'v1',
  bytes: 100,
  offset: 7,
  at: clock.at,
  event: 'sent',
  ...more,
});

/** A report of steps that each stand alone. */
const report = (...entries: readonly Entry[]): DeliveryReport => ({
  nodes: entries.map(({ node, caller }) => [node, caller]),
  groups: entries.map(({ node: _node, caller: _caller, ...group }, place) => ({ ...group, steps: [place, 0] })),
});

test('what a node was sent, acknowledged and refused, at once and after a restart', async (t) => {
  const dir = tempDir(t);
  let ledger = await open(dir);
  ledger.record(
    report(
      entry({}),
      entry({ event: 'acked', bytes: 0, at: clock.at + 5 }),
      entry({ version: 'v2', bytes: 120, offset: 9, at: clock.at + 10 }),
      entry({ version: 'v2', bytes: 0, event: 'rejected', message: 'x'.repeat(1_024), at: clock.at + 12 }),
      entry({ type: 'eds', at: clock.at + 1 }),
      entry({ type: 'eds', event: 'removed', version: '', bytes: 0, at: clock.at + 3 }),
      entry({ node: 'n2', name: 'other.shop:80', caller: 'other.shop' }),
    ),
  );
  const rows = [
    {
      type: 'cds',
      name: 'redis.shop:6379',
      version: 'v2',
      state: 'refused',
      bytes: 120,
      offset: 9,
      sentAt: clock.at + 10,
      ackedAt: clock.at + 5,
      error: 'x'.repeat(1_024),
    },
    {
      type: 'eds',
      name: 'redis.shop:6379',
      version: '',
      state: 'removed',
      bytes: 100,
      offset: 7,
      sentAt: clock.at + 1,
    },
  ];
  assert.deepEqual(ledger.deliveries('n1'), rows);
  assert.deepEqual(ledger.summary('n1'), {
    caller: 'cart.shop',
    since: clock.at,
    lastSentAt: clock.at + 3,
    lastAckAt: clock.at + 5,
  });
  assert.equal(ledger.summary('n3'), undefined);
  assert.deepEqual(ledger.deliveries('n'), []);
  await ledger.close();
  ledger = await open(dir);
  assert.deepEqual(ledger.deliveries('n1'), rows);
  assert.deepEqual(ledger.summary('n1'), {
    caller: 'cart.shop',
    since: clock.at,
    lastSentAt: clock.at + 3,
    lastAckAt: clock.at + 5,
  });
  // Written and waiting steps are one story.
  ledger.record(report(entry({ version: 'v2', event: 'acked', at: clock.at + 20 })));
  assert.equal(ledger.deliveries('n1')[0]?.state, 'acked');
  assert.deepEqual(
    ledger.steps('n1', 'cds', 'redis.shop:6379').map((step) => step.event),
    ['sent', 'acked', 'sent', 'rejected', 'acked'],
  );
  await ledger.close();
});

test('a ring keeps the latest steps, whenever it was written', async (t) => {
  const ledger = await open(tempDir(t));
  // Each step has a time of its own: a node that is drawn twice would else have steps that are the same, and are told once.
  let { at } = clock;
  await fc.assert(
    fc.asyncProperty(
      fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }),
      fc.array(fc.nat(12), { maxLength: 6 }),
      async (node, counts) => {
        const before = ledger.steps(node, 'cds', 'redis.shop:6379').length;
        let made = 0;
        for (const count of counts) {
          ledger.record(
            report(...Array.from({ length: count }, () => entry({ node, version: `v${++made}`, at: ++at }))),
          );
          await ledger.flush();
        }
        const steps = ledger.steps(node, 'cds', 'redis.shop:6379');
        assert.equal(steps.length, Math.min(RING_STEPS, before + made));
        if (made > 0) assert.equal(steps.at(-1)?.version, `v${made}`);
      },
    ),
    { numRuns: 25 },
  );
  await ledger.close();
});

test('a change that reaches a thousand nodes is two groups; steps are kept in order of time', async (t) => {
  const dir = tempDir(t);
  const ledger = await open(dir);
  const ids = Array.from({ length: 1_000 }, (_, at) => `n${at}`);
  const nodes = ids.map((id) => [id, 'cart.shop'] as const);
  const group = { type: 'eds', name: 'redis.shop:6379', version: 'v1', bytes: 90, offset: 3, at: clock.at };
  const steps = (after: number) => ids.flatMap((_, place) => [place, after + (place % 3)]);
  ledger.record({
    nodes,
    groups: [
      { ...group, event: 'sent', steps: [...steps(0), ...steps(20)] },
      { ...group, event: 'acked', bytes: 0, steps: steps(10) },
    ],
  });
  await ledger.flush();
  const events = (node: string) =>
    ledger.steps(node, 'eds', 'redis.shop:6379').map(({ event, at }) => [event, at - clock.at]);
  assert.deepEqual(events('n0'), [
    ['sent', 0],
    ['acked', 10],
    ['sent', 20],
  ]);
  assert.deepEqual(events('n998'), [
    ['sent', 2],
    ['acked', 12],
    ['sent', 22],
  ]);
  assert.deepEqual(ledger.summary('n1'), {
    caller: 'cart.shop',
    since: clock.at + 1,
    lastSentAt: clock.at + 21,
    lastAckAt: clock.at + 11,
  });
  await ledger.close();
});

test('seven days, then it is gone', async (t) => {
  const ledger = await open(tempDir(t));
  ledger.record(report(entry({ node: 'old' }), entry({ node: 'both', name: 'a' })));
  await ledger.flush();
  clock.at += 6 * 24 * HOUR;
  ledger.record(report(entry({ node: 'both', name: 'b' })));
  await ledger.flush();
  await ledger.sweep();
  assert.equal(ledger.deliveries('old').length, 1);
  clock.at += 2 * 24 * HOUR;
  await ledger.sweep();
  assert.deepEqual([ledger.deliveries('old'), ledger.summary('old')], [[], undefined]);
  assert.deepEqual(
    ledger.deliveries('both').map((row) => row.name),
    ['b'],
  );
  assert.equal(ledger.counters.swept, 2);
  await ledger.close();
});

test('what a node held at a moment: the version it took last, as far back as the steps go', async (t) => {
  const ledger = await open(tempDir(t));
  const start = clock.at;
  const step = (after: number, more: Partial<Parameters<typeof entry>[0]>) => entry({ ...more, at: start + after });
  ledger.record(
    report(
      step(0, {}),
      step(5, { event: 'acked', bytes: 0 }),
      step(10, { version: 'v2' }),
      step(12, { version: 'v2', event: 'rejected', message: 'no', bytes: 0 }),
      step(20, { version: '', event: 'removed', bytes: 0 }),
      step(25, { version: '', event: 'acked', bytes: 0 }),
      step(30, { version: 'v3' }),
    ),
  );
  await ledger.flush();
  const at = (after: number) =>
    ledger.heldAt('n1', start + after)?.rows.map(({ version, acked, state }) => [version, acked, state]);
  assert.deepEqual(at(3), [['v1', undefined, 'sent']]);
  assert.deepEqual(at(7), [['v1', 'v1', 'acked']]);
  assert.deepEqual(at(15), [['v2', 'v1', 'refused']]);
  assert.deepEqual([at(22), at(27)], [[], []], 'taken away');
  assert.deepEqual(at(35), [['v3', undefined, 'sent']], 'what it took before the removal counts no more');
  const before = ledger.heldAt('n1', start - 1);
  assert.deepEqual([before?.known, before?.from], [false, start]);
  assert.equal(ledger.heldAt('nobody', start), undefined);
  // Two more, and the ring is full; one more, and its first step is gone.
  ledger.record(report(step(40, { version: 'v3', event: 'acked', bytes: 0 }), step(50, { version: 'v4' })));
  assert.deepEqual(ledger.heldAt('n1', start + 3)?.forgotten, [{ type: 'cds', name: 'redis.shop:6379' }]);
  assert.deepEqual(at(7), [['v1', 'v1', 'acked']]);
  await ledger.close();
});

test('the last step from before seven days stays before a later one: what the node held when they began', async (t) => {
  const ledger = await open(tempDir(t));
  const start = clock.at;
  ledger.record(report(entry({}), entry({ event: 'acked', bytes: 0, at: start + 5 })));
  await ledger.flush();
  clock.at += 8 * 24 * HOUR;
  ledger.record(report(entry({ version: 'v2', at: clock.at })));
  await ledger.flush();
  const held = ledger.heldAt('n1', clock.at - HOUR);
  assert.deepEqual(
    held?.rows.map(({ acked, state }) => [acked, state]),
    [['v1', 'acked']],
  );
  assert.equal(held?.from, clock.at - 7 * 24 * HOUR);
  assert.equal(ledger.heldAt('n1', start + 10)?.known, false);
  await ledger.close();
});

test('bounds: resources, waiting entries, names that cannot be keys', async (t) => {
  const ledger = await open(tempDir(t), { maxResources: 1_000 });
  for (let minute = 0; minute < 20; minute++) {
    ledger.record(
      report(...Array.from({ length: 150 }, (_, at) => entry({ node: `n${minute}`, name: `r${at}`, at: clock.at }))),
    );
    clock.at += 60_000;
  }
  await ledger.flush();
  assert.equal(ledger.deliveries('n0').length, 150);
  await ledger.sweep();
  assert.equal(ledger.deliveries('n0').length, 0, 'the oldest go');
  assert.equal(ledger.deliveries('n19').length, 150);

  ledger.record(report(...Array.from({ length: 120_000 }, (_, at) => entry({ node: 'flood', name: `r${at}` }))));
  assert.equal(ledger.dropped, 20_000);
  ledger.record(report(entry({ node: '' }), entry({ name: 'x'.repeat(2_000) }), entry({ node: 'a\nb' })));
  assert.equal(ledger.counters.ignored, 3);
  assert.equal(ledger.counters.failed, 0);
  await ledger.close();
});

test('what is being written is told of meanwhile; what could not be written waits again, and is written with the next', async (t) => {
  const dir = tempDir(t);
  let isFull = false;
  const guard = {
    admit: () => {
      if (isFull) throw new TendrilError('DISK_FULL', 'no room');
    },
    condition: () => ({ state: 'ok' as const, freeBytes: 1, reserveBytes: 0 }),
    refused: 0,
    poll: () => undefined,
    close: () => undefined,
  };
  let ledger = await open(dir, { guard });
  const events = (): string[] => ledger.steps('n1', 'cds', 'redis.shop:6379').map(({ event }) => event);
  ledger.record(report(entry({})));
  const writing = ledger.flush();
  await Promise.resolve();
  assert.deepEqual([events(), ledger.deliveries('n1').length], [['sent'], 1], 'while it is being written');
  await writing;
  assert.deepEqual(events(), ['sent']);
  isFull = true;
  ledger.record(report(entry({ event: 'acked', at: clock.at + 1 })));
  await ledger.flush();
  assert.deepEqual(events(), ['sent', 'acked'], 'not written, not lost');
  isFull = false;
  ledger.record(report(entry({ event: 'removed', version: '', at: clock.at + 2 })));
  await ledger.flush();
  await ledger.close();
  ledger = await open(dir);
  assert.deepEqual(events(), ['sent', 'acked', 'removed']);
  await ledger.close();
});
