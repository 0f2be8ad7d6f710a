/** Retention: N1 to N3 of src/projector/retention/decide.ts, and what is left behind it. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { findRows, wordsOf } from '../../src/projector/history-rows.ts';
import { Projector, verifyData } from '../../src/projector/index.ts';
import { decideRetention, tooOld } from '../../src/projector/retention/decide.ts';
import { writeSnapshotFile } from '../../src/projector/snapshot/index.ts';
import { openStateTables, STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { type DiskGuard, openEnvironment } from '../../src/store/index.ts';
import { hasCode } from '../store/support.ts';
import { closeSystem, feed, Lines, ManualClock, openSystem, type System, tempDir } from './harness.ts';
import { MESH } from './mesh-events.ts';
import { bytesOf, initial, installed, mixedEvents } from './snapshot-support.ts';

const KEPT = 300;

/** A system that keeps its last events. */
const open = async (dir: string, version = '1', guard?: DiskGuard): Promise<System> => {
  const clock = new ManualClock();
  const lines = new Lines();
  const log: OpenedLog = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock });
  try {
    const retain = { events: KEPT, leastEvents: 10, prune: log.prune.bind(log) };
    const projector = await Projector.open({
      dir,
      log,
      mesh: MESH,
      clock,
      logger: lines,
      retain,
      version,
      ...(guard === undefined ? {} : { guard }),
    });
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

/** Feeds until the next step is a cut: `look` is called in place of every tick, and gives its step. */
const untilCut = async (system: System, seed: number, look: () => Promise<string>): Promise<void> => {
  const next = mixedEvents(seed);
  await feed(system, ...initial());
  for (;;) {
    // Each in a commit of its own: the history has packs of every size.
    for (const one of next()) await feed(system, one);
    for (let step = await look(); step !== 'nothing'; step = await look()) if (step === 'cut') return;
  }
};

test('X2: a cut ends where a snapshot is opened, which has all of its log; it is begun again behind it', async (t) => {
  const parent = tempDir(t);
  const system = await open(join(parent, 'data'));
  const { retention, snapshots } = system.projector;
  let bytes: Buffer = Buffer.alloc(0);
  await untilCut(system, 21, async () => {
    const ticking = retention?.tick();
    const snapshot = await snapshots.open({ withLog: true });
    const step = (await ticking) ?? 'nothing';
    assert.equal(system.log.head().first, 1, 'nothing is removed under a snapshot');
    bytes = await bytesOf(snapshot);
    return step;
  });
  const { header } = await installed(parent, bytes);
  assert.equal(header.log?.first, 1);
  assert.ok(system.lines.has('info', 'a snapshot is being taken'));
  assert.ok((await settle(system)).includes('cut'), 'it is begun again');
  const { first } = system.log.head();
  assert.ok(first > 1);
  assert.equal(retention?.counters.pruned, first - 1);

  // The other way round: a snapshot that is opened during a removal waits for it.
  let end = (): void => undefined;
  const removing = snapshots.remove(() => new Promise<void>((resolve) => (end = resolve)));
  let isOpen = false;
  const opening = snapshots.open({ withLog: true }).then((snapshot) => {
    isOpen = true;
    return snapshot;
  });
  assert.equal(await snapshots.remove(() => assert.fail('X2')), false);
  assert.equal(isOpen, false);
  end();
  assert.equal(await removing, true);
  await bytesOf(await opening);
  await closeSystem(system);
});

/** Lowest offset in the stored history index. */
const leastRow = async (dir: string): Promise<number> => {
  const environment = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    readOnly: true,
  });
  let least = Number.POSITIVE_INFINITY;
  for (const { body } of openStateTables(environment).history.range()) {
    const words = wordsOf(body);
    for (let at = 0; at < words.length; at += 3)
      for (const { offset } of findRows(body, words[at] ?? 0)) least = Math.min(least, offset);
  }
  await environment.close();
  return least;
};

test('a cut that the disk refuses, at any of its commits, changes nothing, and the next one is whole', async (t) => {
  const dir = tempDir(t);
  let left = Number.POSITIVE_INFINITY;
  const guard: DiskGuard = {
    admit: () => {
      if (left-- === 0) throw new TendrilError('DISK_FULL', 'no room');
    },
    condition: () => ({ state: 'ok', freeBytes: 2 ** 40, reserveBytes: 0 }),
    refused: 0,
    poll: () => undefined,
    close: () => undefined,
  };
  const system = await open(dir, '1', guard);
  const { retention } = system.projector;
  let refused = 0;
  await untilCut(system, 23, async () => {
    if (retention?.checkpoint === undefined) return (await retention?.tick()) ?? 'nothing';
    for (let commits = 0; ; commits++) {
      left = commits;
      const step = await retention.tick();
      left = Number.POSITIVE_INFINITY;
      if (step !== 'nothing') return step;
      if (retention.counters.failures === refused) return step;
      refused = retention.counters.failures;
    }
  });
  assert.ok(refused >= 2, String(refused));
  const at = system.log.head().first - 1;
  assert.equal(retention?.checkpoint?.offset, at);
  await closeSystem(system);
  assert.equal(await leastRow(dir), at);
  assert.deepEqual((await verifyData({ dir, mesh: MESH, version: '1' })).problems, []);
});

test('O1: a state that ends before the log begins is made anew from the checkpoint', async (t) => {
  const dir = tempDir(t);
  let system = await open(dir);
  await feed(system, ...initial());
  await closeSystem(system);
  cpSync(join(dir, STATE_NAME), join(dir, 'old'), { recursive: true });
  system = await open(dir);
  // What a power cut takes from the state is nothing that the log has lost: the state is on disk before.
  const { storage } = system.projector;
  const firstAtFlush: number[] = [];
  const flushed = storage.flushed.bind(storage);
  storage.flushed = async () => {
    await flushed();
    firstAtFlush.push(system.log.head().first);
  };
  await cutSystem(system, 31);
  assert.equal(firstAtFlush[0], 1);
  const proof = system.projector.proof();
  await closeSystem(system);
  const asAfterPowerCut = (): void => {
    rmSync(join(dir, STATE_NAME), { recursive: true });
    cpSync(join(dir, 'old'), join(dir, STATE_NAME), { recursive: true });
  };
  asAfterPowerCut();
  system = await open(dir);
  assert.ok(system.lines.has('warn', 'the log begins at'));
  assert.deepEqual(system.projector.proof(), proof);
  await closeSystem(system);
  assert.deepEqual((await verifyData({ dir, mesh: MESH, version: '1' })).problems, []);
  asAfterPowerCut();
  renameSync(join(dir, 'checkpoint'), join(dir, 'elsewhere'));
  await assert.rejects(open(dir), hasCode('LOG_GAP', 'tendril recover'));
});

test('a next checkpoint of another log is not taken: it is written again', async (t) => {
  const parent = tempDir(t);
  const dir = join(parent, 'data');
  const other = await openSystem(join(parent, 'other'));
  await feed(other, ...initial(), ...mixedEvents(41)());
  const system = await open(dir);
  const next = mixedEvents(42);
  await feed(system, ...initial());
  while (system.log.head().offset < 2 * KEPT) await feed(system, ...next());
  const foreign = await other.projector.snapshots.open({ withLog: false });
  await writeSnapshotFile(join(dir, 'checkpoint.next'), foreign.bytes);
  await foreign.close();
  await closeSystem(other);
  const { retention } = system.projector;
  assert.equal(await retention?.tick(), 'nothing');
  const line = system.lines.all.find(({ message }) => message.startsWith('a checkpoint cannot be used'));
  assert.equal((line?.fields as { err?: TendrilError } | undefined)?.err?.code, 'STATE_OF_ANOTHER_LOG');
  assert.ok(!existsSync(join(dir, 'checkpoint')) && !existsSync(join(dir, 'checkpoint.next')));
  assert.equal(await retention?.tick(), 'write');
  await closeSystem(system);
});
