/** Import over a data directory: D2 to D4 of src/projector/snapshot/data-directory.ts. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LOG_SCHEMA, openEventLog } from '../../src/log/index.ts';
import { markMirrorOf } from '../../src/log/mirror-mark.ts';
import { importData } from '../../src/projector/index.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { hasCode } from '../store/support.ts';
import { feed, tempDir, withSystem } from './harness.ts';
import { MESH, registered } from './mesh-events.ts';
import { bytesOf, initial, pieces } from './snapshot-support.ts';

const snapshotOf = (dir: string): Promise<Buffer> =>
  withSystem(dir, async (system) => {
    await feed(system, ...initial());
    return bytesOf(await system.projector.snapshots.open({ withLog: false }));
  });

test('D2, D4: the next checkpoint goes aside first; a mirror stays one, and is refused without Kafka', async (t) => {
  const parent = tempDir(t);
  const bytes = await snapshotOf(join(parent, 'source'));
  const dir = join(parent, 'data');
  await withSystem(dir, (system) => feed(system, registered('a')));
  const log = await openEnvironment({ dir, mesh: MESH, name: 'log', schema: LOG_SCHEMA });
  await markMirrorOf(log, 'events');
  await log.close();
  for (const name of ['checkpoint.next', 'replica.out']) writeFileSync(join(dir, name), 'of the old log');
  const { movedAside } = await importData(async () => pieces(bytes), { dir, mesh: MESH, force: true, now: () => 0 });
  assert.deepEqual(
    movedAside.map((name) => name.replace(/\.before-.*/, '')),
    ['checkpoint.next', 'state', 'log', 'replica.out'],
  );
  assert.ok(existsSync(join(dir, 'checkpoint')));
  const own = { kind: 'lmdb', dir, mesh: MESH, clock: { now: () => 0 } };
  await assert.rejects(openEventLog(own), hasCode('LOG_IS_MIRROR', 'kafka://HOST:PORT/events'));
});

test('D4: what was no mirror is none, and a damaged log does not hinder', async (t) => {
  const parent = tempDir(t);
  const bytes = await snapshotOf(join(parent, 'source'));
  const dir = join(parent, 'data');
  await withSystem(dir, (system) => feed(system, registered('a')));
  for (const damage of [false, true]) {
    if (damage) writeFileSync(join(dir, 'log', 'data.mdb'), Buffer.alloc(8192, 7));
    await importData(async () => pieces(bytes), { dir, mesh: MESH, force: true, now: () => 0 });
    await withSystem(dir, (system) => feed(system, registered('b')));
  }
});
