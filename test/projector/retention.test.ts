/** Retention: N1 to N3 of src/projector/retention/decide.ts, and what is left behind it. */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { Projector, verifyData } from '../../src/projector/index.ts';
import { decideRetention, tooOld } from '../../src/projector/retention/decide.ts';
import { STATE_NAME } from '../../src/projector/state-tables.ts';
import { hasCode } from '../store/support.ts';
import { closeSystem, feed, Lines, ManualClock, openSystem, type System, tempDir } from './harness.ts';
import { MESH } from './mesh-events.ts';
import { bytesOf, initial, installed, mixedEvents } from './snapshot-support.ts';

const KEPT = 300;

/** A system that keeps its last events. */
const open = async (dir: string, version = '1'): Promise<System> => {
  const clock = new ManualClock();
  const lines = new Lines();
  const log: OpenedLog = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  try {
    const retain = { events: KEPT, leastEvents: 10, prune: log.prune.bind(log) };
    const projector = await Projector.open({ dir, log, mesh: MESH, clock, logger: lines, retain, version });
    return { dir, log, projector, clock, lines };
  } catch (error) {
    await log.close();
    throw error;
  }
};

/** Until it has nothing more to do. */
const settle = async ({ projector }: System): Promise<string[]> => {
  const steps: string[] = [];
  for (;;) {
    const step = (await projector.retention?.tick()) ?? 'nothing';
    if (step === 'nothing') return steps;
    steps.push(step);
  }
};

/** Feeds until the log has been cut at least once; `whole` is fed the same and keeps all. */
const cutSystem = async (system: System, seed: number, whole?: System): Promise<void> => {
  const mixed = mixedEvents(seed);
  const next = () => {
    const events = mixed();
    fed.push(...events);
    return events;
  };
  const fed = initial();
  await feed(system, ...fed);
  const steps: string[] = [];
  while (!steps.includes('cut') || system.log.head().offset < 4 * KEPT) {
    await feed(system, ...next());
    steps.push(...(await settle(system)));
  }
  if (whole !== undefined) await feed(whole, ...fed);
};

test('N1, N2, N3: nothing wanted goes, nothing goes before a checkpoint is in place, and it ends', () => {
  const offset = fc.integer({ min: 0, max: 60 });
  fc.assert(
    fc.property(
      offset,
      offset,
      offset,
      fc.option(offset),
      fc.option(offset),
      fc.boolean(),
      (head, base, old, a, b, rest) => {
        const [checkpoint, next] = [a ?? undefined, b ?? undefined];
        const facts = { offset: head, first: base + 1, tooOld: old, checkpoint, next, hasRest: rest };
        const step = decideRetention(facts);
        if (step === 'cut') assert.ok(checkpoint !== undefined && checkpoint <= Math.min(old, head), 'N1, N2');
        if (step === 'promote') assert.ok(next !== undefined && next <= Math.min(old, head), 'N3');
        if (step === 'write') assert.ok(next === undefined && base + 1 <= old, 'there is something to remove');
        if (old === 0) assert.notEqual(step, 'write');
      },
    ),
  );
  const at = (time: number): number => Math.floor(time / 10);
  assert.equal(tooOld({}, 100, 1000, at, 5), 0);
  assert.equal(tooOld({ events: 30 }, 100, 1000, at, 5), 70);
  assert.equal(tooOld({ events: 1 }, 100, 1000, at, 5), 95);
  assert.equal(tooOld({ ms: 400 }, 100, 1000, at, 5), 60);
  assert.equal(tooOld({ ms: 400, events: 80 }, 100, 1000, at, 5), 20, 'kept as long as one of them wants it');
});

test('log and history begin later; what is left is read, proven, exported, and made anew', async (t) => {
  const parent = tempDir(t);
  const dir = join(parent, 'data');
  let system = await open(dir);
  const whole = await openSystem(join(parent, 'whole'));
  await cutSystem(system, 5, whole);
  const { first, offset, base } = system.log.head();
  assert.ok(first > 1 && offset - first + 1 >= KEPT, `${first} to ${offset}`);
  assert.equal(system.projector.retention?.checkpoint?.offset, first - 1);
  await assert.rejects(async () => {
    for await (const _ of system.log.read({ from: first - 1 }));
  }, hasCode('OFFSET_GONE'));
  await assert.rejects(system.projector.past.graphAt(first - 2), hasCode('OFFSET_GONE'));
  const proof = system.projector.proof();
  const bytes = await bytesOf(await system.projector.snapshots.open({ withLog: true }));
  // Read by images at the new beginning: compared with a copy that stood there.
  const edgesAt = async (of: System, at: number) => {
    const graph = await of.projector.past.graphAt(at);
    return [...(await graph.edges({ limit: 10_000 }))].map((edge) => JSON.stringify(edge)).sort();
  };
  const sample = [first - 1, first, Math.floor((first + offset) / 2), offset];
  const before = await Promise.all(sample.map((at) => edgesAt(system, at)));
  assert.ok((before[0]?.length ?? 0) > 0);
  assert.deepEqual(
    before,
    await Promise.all(sample.map((at) => edgesAt(whole, at))),
    'as a log that is whole tells it',
  );
  assert.deepEqual(proof, whole.projector.proof());
  await closeSystem(whole);
  await closeSystem(system);
  const report = await verifyData({ dir, mesh: MESH, version: '1' });
  assert.deepEqual(report.problems, []);
  assert.equal(report.hash, proof?.hash);
  assert.match(report.notes.join(), /checkpoint/);

  // The same in a copy.
  const copy = await installed(parent, bytes);
  const copied = await open(copy.dir);
  assert.deepEqual(copied.projector.proof(), proof);
  assert.deepEqual(copied.log.head().base, base);
  assert.deepEqual(await Promise.all(sample.map((at) => edgesAt(copied, at))), before);
  await closeSystem(copied);
  assert.deepEqual((await verifyData({ dir: copy.dir, mesh: MESH, version: '1' })).problems, []);

  // The state is lost: made anew from the checkpoint, with the same hash, and history from there on.
  rmSync(join(dir, STATE_NAME), { recursive: true });
  system = await open(dir);
  assert.ok(system.lines.has('info', 'checkpoint is loaded'));
  assert.deepEqual(system.projector.proof(), proof);
  assert.deepEqual(await Promise.all(sample.map((at) => edgesAt(system, at))), before);
  const next = mixedEvents(6);
  await feed(system, ...next());
  await cutSystem(system, 9);
  await closeSystem(system);
  assert.deepEqual((await verifyData({ dir, mesh: MESH, version: '1' })).problems, []);

  // Without the checkpoint there is nothing to make it from: refused, with the command that helps.
  rmSync(join(dir, STATE_NAME), { recursive: true });
  writeFileSync(join(dir, 'checkpoint'), 'TENDRIL SNAPSHOT\n');
  await assert.rejects(open(dir), hasCode('CHECKPOINT_UNUSABLE', 'tendril recover'));
  rmSync(join(dir, 'checkpoint'));
  await assert.rejects(open(dir), hasCode('LOG_GAP', 'tendril recover'));
  const missing = await verifyData({ dir, mesh: MESH, version: '1' });
  assert.equal(missing.problems[0]?.part, 'checkpoint');
});

test('a next checkpoint that is damaged is written again; nothing is removed on its account', async (t) => {
  const dir = tempDir(t);
  const system = await open(dir);
  const next = mixedEvents(3);
  await feed(system, ...initial());
  while (!existsSync(join(dir, 'checkpoint.next'))) {
    await feed(system, ...next());
    await settle(system);
  }
  writeFileSync(join(dir, 'checkpoint.next'), 'nothing');
  while ((system.projector.retention?.counters.failures ?? 0) === 0) {
    await feed(system, ...next());
    await settle(system);
  }
  assert.equal(system.log.head().first, 1);
  while (system.log.head().first === 1) {
    await feed(system, ...next());
    await settle(system);
  }
  assert.equal(system.projector.retention?.counters.checkpoints, 3);
  await closeSystem(system);
  assert.deepEqual((await verifyData({ dir, mesh: MESH, version: '1' })).problems, []);
});
