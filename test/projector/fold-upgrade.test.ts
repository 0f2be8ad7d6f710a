/** An upgrade of the fold where the log has lost its beginning, newer versions of what lies beside it, and what a long rebuild says. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEventLog } from '../../src/log/index.ts';
import { FOLD_VERSION } from '../../src/projector/fold/index.ts';
import { decodeHead, encodeHead } from '../../src/projector/head.ts';
import { exportData, Ledger, Projector } from '../../src/projector/index.ts';
import { LEDGER_SCHEMA } from '../../src/projector/ledger.ts';
import { checkpointPath, type SnapshotHeader, writeSnapshotFile } from '../../src/projector/snapshot/index.ts';
import { HEAD_KEY, openStateTables, STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { compareReplicas, type Proof } from '../../src/runtime/replicas/index.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { hasCode } from '../store/support.ts';
import { feed, Lines, ManualClock, openSystem, tempDir, withSystem } from './harness.ts';
import { MESH, registered } from './mesh-events.ts';
import { initial, mixedEvents } from './snapshot-support.ts';

/** The state as an earlier (or later) version of the fold would have left it. */
const foldedBy = async (dir: string, foldVersion: number): Promise<void> => {
  const environment = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
  });
  const { head } = openStateTables(environment);
  const stored = decodeHead(head.get(HEAD_KEY) ?? Buffer.alloc(0));
  await environment.commit((batch) => batch.put(head, HEAD_KEY, encodeHead({ ...stored, foldVersion })));
  await environment.close();
};

const writeCheckpoint = async (dir: string): Promise<SnapshotHeader> => {
  const snapshot = await exportData({ dir, mesh: MESH, withLog: false, createdBy: 'test' });
  await writeSnapshotFile(checkpointPath(dir), snapshot.bytes);
  await snapshot.close();
  return snapshot.header;
};

/** As retention does it behind a checkpoint. */
const prune = async (dir: string, { offset, recordedAt, chain, tail }: SnapshotHeader): Promise<void> => {
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: new ManualClock() });
  await log.prune({ offset, recordedAt, chain, tail });
  await log.close();
};

const fill = (dir: string, more = 3): Promise<Proof | undefined> =>
  withSystem(dir, async (system) => {
    const next = mixedEvents(51);
    await feed(system, ...initial());
    for (let round = 0; round < more; round++) await feed(system, ...next());
    return system.projector.proof();
  });

test('state of fold version 3, log cut behind a checkpoint of it: made anew, with proofs that name their base', async (t) => {
  const parent = tempDir(t);
  const proofs: (Proof | undefined)[] = [];
  const source = join(parent, 'source');
  const before = await fill(source);
  await foldedBy(source, FOLD_VERSION - 1);
  const later = registered('later');
  for (const [name, isCut] of [
    ['first', true],
    ['second', true],
    ['whole', false],
  ] as const) {
    const dir = join(parent, name);
    cpSync(source, dir, { recursive: true, verbatimSymlinks: true });
    if (isCut) await prune(dir, await writeCheckpoint(dir));
    const base = isCut ? { offset: before?.offset ?? 0, foldVersion: FOLD_VERSION - 1 } : undefined;
    const expected = { ...before, foldVersion: FOLD_VERSION, ...(base === undefined ? {} : { base }) };
    await withSystem(dir, async ({ projector, lines }) => {
      assert.ok(lines.has('warn', `folded by version ${FOLD_VERSION - 1}`));
      assert.equal(lines.has('info', 'the checkpoint is loaded'), isCut);
      assert.deepEqual(projector.proof(), expected);
    });
    await withSystem(dir, async (system) => {
      assert.ok(!system.lines.has('warn', 'made anew'));
      await feed(system, later);
      const proof = system.projector.proof();
      assert.deepEqual(proof?.base, base, 'it goes on with it');
      proofs.push(proof);
    });
  }
  const [first, second, whole] = proofs.map((proof, at) => {
    assert.ok(proof !== undefined);
    return { id: `r${at}`, proofs: [proof] };
  });
  assert.ok(first !== undefined && second !== undefined && whole !== undefined);
  assert.deepEqual(compareReplicas(first, [second]), {
    verdict: 'agree',
    offset: first.proofs[0]?.offset,
    with: ['r1'],
  });
  assert.deepEqual(compareReplicas(first, [whole]), { verdict: 'alone' });
  const differing = { ...whole, proofs: whole.proofs.map((proof) => ({ ...proof, hash: '0'.repeat(64) })) };
  assert.deepEqual(compareReplicas(first, [differing]), { verdict: 'alone' });
});

test('a checkpoint of a newer fold, or a newer format, is refused by the start that needs it', async (t) => {
  const dir = tempDir(t);
  await fill(dir, 1);
  await foldedBy(dir, FOLD_VERSION + 1);
  await prune(dir, await writeCheckpoint(dir));
  rmSync(join(dir, STATE_NAME), { recursive: true });
  await assert.rejects(openSystem(dir), hasCode('DATA_FROM_NEWER_VERSION', 'of the fold'));
  const bytes = readFileSync(checkpointPath(dir));
  bytes.writeUInt32LE(99, 'TENDRIL SNAPSHOT\n'.length);
  writeFileSync(checkpointPath(dir), bytes);
  await assert.rejects(openSystem(dir), hasCode('DATA_FROM_NEWER_VERSION', 'of the format'));
});

test('a newer ledger is refused, not begun anew', async (t) => {
  const dir = tempDir(t);
  const schema = { ...LEDGER_SCHEMA, version: LEDGER_SCHEMA.version + 1 };
  await (await openEnvironment({ dir, mesh: MESH, name: 'ledger', schema, mode: 'visible' })).close();
  await assert.rejects(
    Ledger.open({ dir, mesh: MESH, clock: new ManualClock() }),
    hasCode('DATA_FROM_NEWER_VERSION', 'ledger'),
  );
});

test('a long rebuild says how far it is', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  rmSync(join(dir, STATE_NAME), { recursive: true });
  const lines = new Lines();
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: new ManualClock() });
  const { offset } = log.head();
  let now = 0;
  const clock = { now: () => (now += 2_500) };
  const projector = await Projector.open({ dir, log, mesh: MESH, clock, logger: lines });
  const line = lines.all.find(({ message }) => message === 'making the state anew');
  assert.deepEqual(line?.fields, { offset, head: offset, left: 0, perSecond: Math.round(offset / 2.5) });
  await projector.close();
  await log.close();
});
