/** kill -9 while checkpoints are written, log and history are cut, and snapshots are installed: what is there is whole, and goes on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TendrilError } from '../../src/model/index.ts';
import { importData, verifyData } from '../../src/projector/index.ts';
import { STATE_NAME } from '../../src/projector/state-tables.ts';
import { faultRun } from '../faults/fault-run.ts';
import { closeSystem, feed, openSystem, tempDir, withSystem } from './harness.ts';
import { MESH } from './mesh-events.ts';
import { bytesOf, initial, mixedEvents, pieces } from './snapshot-support.ts';

const ROUNDS = 6;
const CHILD = fileURLToPath(new URL('./retention-child.js', import.meta.url));

/** Starts it, and kills it some time after it has said a word. */
const killed = async (args: readonly string[], word: string, afterMs: number): Promise<void> => {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  while (!said.includes(word)) await Promise.race([once(child.stdout, 'data'), ended.then(() => assert.fail(said))]);
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  child.kill('SIGKILL');
  await ended;
};

test('killed while it cuts: proven, and made anew from its checkpoint with the same hash', async (t) => {
  const dir = tempDir(t);
  const run = faultRun('RETENTION', ROUNDS);
  for (let round = 0; round < run.count; round++) {
    // In each second round behind a first cut, else wherever it is then.
    await killed(['retention', dir, String(round)], round % 2 === 0 ? 'begun' : 'cut', run.between(0, 500));
    const proof = await withSystem(dir, async ({ projector }) => projector.proof(), { version: '1' });
    const { problems, hash, offset } = await verifyData({ dir, mesh: MESH, version: '1' });
    assert.deepEqual([problems, hash, offset], [[], proof?.hash, proof?.offset], `round ${round}`);
    if (round % 2 === 0) continue;
    rmSync(join(dir, STATE_NAME), { recursive: true });
    const again = await withSystem(dir, async ({ projector }) => projector.proof(), { version: '1' });
    assert.deepEqual(again, proof, `round ${round}, made anew`);
  }
  const system = await openSystem(dir, { version: '1' });
  assert.ok(system.log.head().first > 1, 'something was cut');
  await closeSystem(system);
});

test('ended at the failpoints of a snapshot: proven, and goes on', async (t) => {
  const dir = tempDir(t);
  for (const point of ['beforeSnapshotRename:1', 'afterSnapshot:1', 'beforeSnapshotRename:2', 'afterSnapshot:2']) {
    const child = spawn(process.execPath, [CHILD, 'retention', dir, '31'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, TENDRIL_FAILPOINT: point },
    });
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    assert.equal(signal, 'SIGKILL', `${point} did not end it`);
    const proof = await withSystem(dir, async ({ projector }) => projector.proof(), { version: '1' });
    const { problems, hash, offset } = await verifyData({ dir, mesh: MESH, version: '1' });
    assert.deepEqual([problems, hash, offset], [[], proof?.hash, proof?.offset], point);
  }
});

test('killed while a snapshot is installed: what was there, or the snapshot, or a start that refuses; never an empty mesh', async (t) => {
  const parent = tempDir(t);
  const next = mixedEvents(23);
  const [file, source, dir] = [join(parent, 'file'), join(parent, 'source'), join(parent, 'data')];
  mkdirSync(dir);
  const bytes = await withSystem(source, async (system) => {
    await feed(system, ...initial(), ...next(), ...next());
    return bytesOf(await system.projector.snapshots.open({ withLog: false }));
  });
  writeFileSync(file, bytes);
  const proof = await withSystem(source, async ({ projector }) => projector.proof());
  const run = faultRun('INSTALL', ROUNDS);
  const install = () => importData(async () => pieces(bytes), { dir, mesh: MESH, force: true, now: Date.now });
  for (let round = 0; round < run.count; round++) {
    await install();
    await killed(['import', file, dir], 'begun', run.between(0, 200));
    try {
      assert.deepEqual(await withSystem(dir, async ({ projector }) => projector.proof()), proof, `round ${round}`);
    } catch (error) {
      assert.ok(error instanceof TendrilError, String(error));
      assert.match(error.code, /^(STATE_AHEAD_OF_LOG|STATE_OF_ANOTHER_LOG|LOG_GAP)$/);
    }
    await install();
    assert.deepEqual(await withSystem(dir, async ({ projector }) => projector.proof()), proof, `round ${round}, again`);
    for (const name of readdirSync(dir)) {
      assert.doesNotMatch(name, /\.part$/, 'nothing half done is left');
      if (name.includes('.before-')) rmSync(join(dir, name), { recursive: true });
    }
  }
});
