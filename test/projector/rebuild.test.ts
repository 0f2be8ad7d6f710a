import assert from 'node:assert/strict';
import { cpSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openEventLog } from '../../src/log/index.ts';
import { TendrilError } from '../../src/model/index.ts';
import { decodeHead, encodeHead, type Head } from '../../src/projector/head.ts';
import {
  HEAD_KEY,
  openStateTables,
  REBUILD_KEY,
  STATE_NAME,
  STATE_SCHEMA,
  type StateTables,
} from '../../src/projector/state-tables.ts';
import { markClean } from '../../src/store/clean-marker.ts';
import { type Batch, type DiskGuard, openEnvironment } from '../../src/store/index.ts';
import { closeSystem, feed, ManualClock, openModel, openSystem, stateOf, tempDir, withSystem } from './harness.ts';
import { changeEvents, initialEvents, MESH, observed, policy, randomFrom, registered, route } from './mesh-events.ts';

const size = { services: 30, endpoints: 4 };

/** A state with something in every table. */
const fill = async (dir: string): Promise<void> => {
  await withSystem(dir, async (system) => {
    await feed(system, ...initialEvents(size));
    await feed(
      system,
      policy('Upstream', 'svc-1', { subsets: { v1: { labels: { version: 'v1' } } } }),
      route('svc-1', { to: { v1: {} } }),
      observed('svc-2.shop', 'svc-3.shop:80', 'node-1'),
      registered('ext', { external: { hosts: ['www.example.com'] } }),
      registered('Bad Name'),
    );
    const next = changeEvents(size, randomFrom(3));
    for (let round = 0; round < 8; round++) await feed(system, ...Array.from({ length: 200 }, next));
  });
};

/** Writes into the state behind the projector's back. */
const tamper = async (dir: string, work: (batch: Batch, tables: StateTables, head: Head) => void): Promise<void> => {
  const environment = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
  });
  const tables = openStateTables(environment);
  const head = decodeHead(tables.head.get(HEAD_KEY) ?? Buffer.alloc(0));
  await environment.commit((batch) => work(batch, tables, head));
  await environment.close();
};

test('the state is made anew after a change of the fold, and comes out the same', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const before = await stateOf(dir);
  const model = await openModel(dir);
  const { epoch } = model.journalSince(0);
  await model.close();
  await tamper(dir, (batch, tables, head) => batch.put(tables.head, HEAD_KEY, encodeHead({ ...head, foldVersion: 0 })));
  await withSystem(dir, async ({ projector, lines }) => {
    assert.ok(lines.has('warn', 'folded by version 0'), 'it says so');
    assert.equal(projector.notice.epoch, epoch + 1);
    const again = await openModel(dir);
    assert.deepEqual(
      again.journalSince(epoch),
      { epoch: epoch + 1, keys: [], everything: false },
      'equal bytes are no change',
    );
    await again.close();
  });
  assert.deepEqual(await stateOf(dir), before);
});

test('a rebuild repairs what workers read, and tells exactly that', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const before = await stateOf(dir);
  const { epoch } = await withSystem(dir, async ({ projector }) => projector.notice);
  await tamper(dir, (batch, tables) => {
    const entity = tables.entity.get('svc/svc-3.shop') ?? Buffer.alloc(0);
    batch.put(tables.entity, 'svc/svc-3.shop', Buffer.concat([Buffer.alloc(32, 7), entity.subarray(32)]));
    batch.remove(tables.resource, 'cds||svc-3.shop:80');
    batch.put(tables.resource, 'cds||stale.shop:80', tables.resource.get('cds||svc-4.shop:80') ?? Buffer.alloc(0));
    batch.remove(tables.service, 'svc-3.shop');
    batch.put(tables.endpoint, 'stale.shop|x', Buffer.from('{}'));
    batch.put(tables.host, 'stale.example', Buffer.from('stale.shop'));
    batch.put(tables.caller, 'stale.shop', Buffer.from('{}'));
    batch.put(tables.unit, 'stale.shop', tables.unit.get('svc-4.shop') ?? Buffer.alloc(0));
  });
  await withSystem(dir, async ({ lines }) => {
    assert.ok(lines.has('warn', 'do not add up'));
    const model = await openModel(dir);
    const { keys, everything } = model.journalSince(epoch);
    assert.equal(everything, false);
    assert.deepEqual([...keys].sort(), [
      'caller|stale.shop',
      'cds||stale.shop:80',
      'cds||svc-3.shop:80',
      'own|stale.shop|x',
      'svc|svc-3.shop',
    ]);
    await model.close();
  });
  assert.deepEqual(await stateOf(dir), before);
});

test('a rebuild that fails at any of its commits leaves what workers read as it was', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const sound = await stateOf(dir);
  await tamper(dir, (batch, tables, head) => {
    batch.put(tables.head, HEAD_KEY, encodeHead({ ...head, foldVersion: 0 }));
    batch.remove(tables.resource, 'cds||svc-3.shop:80');
    batch.remove(tables.caller, '*');
  });
  const image = `${dir}/image`;
  const seen = async (at: string): Promise<object> => {
    const { resource, service, host, endpoint, caller } = await stateOf(at);
    const model = await openModel(at);
    const stand = { epoch: model.epoch(), offset: model.offset() };
    await model.close();
    return { stand, resource, service, host, endpoint, caller };
  };
  const before = await seen(dir);
  let failures = 0;
  for (let failing = 1; ; failing++) {
    for (const part of ['log', 'state']) cpSync(join(dir, part), join(image, part), { recursive: true });
    let commits = 0;
    const guard: DiskGuard = {
      admit: (bytes) => {
        // The bytes of new tables do not count.
        if (bytes !== 65_536 && ++commits === failing) throw new TendrilError('DISK_FULL', 'no room');
      },
      condition: () => ({ state: 'ok', freeBytes: 0, reserveBytes: 0 }),
      refused: 0,
      poll: () => undefined,
      close: () => undefined,
    };
    const opened = await openSystem(image, { guard }).catch((error: TendrilError) => error);
    if (!(opened instanceof TendrilError)) {
      await closeSystem(opened);
      assert.deepEqual(await stateOf(image), sound);
      break;
    }
    assert.equal(opened.code, 'DISK_FULL');
    failures++;
    assert.deepEqual(await seen(image), before, `commit ${failing}`);
    // What failed is tried again at the next start.
    await withSystem(image, async () => undefined);
    assert.deepEqual(await stateOf(image), sound);
    rmSync(image, { recursive: true });
  }
  assert.equal(failures, 4);
});

test('a rebuild that was interrupted is begun again', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const before = await stateOf(dir);
  await tamper(dir, (batch, tables) => {
    batch.put(tables.head, REBUILD_KEY, Buffer.from('a test'));
    for (const key of [...tables.entity.keys()].slice(0, 10)) batch.remove(tables.entity, key);
    for (const key of [...tables.history.keys()].slice(0, 1)) batch.remove(tables.history, key);
  });
  await withSystem(dir, async ({ lines }) => assert.ok(lines.has('warn', 'interrupted (a test)')));
  assert.deepEqual(await stateOf(dir), before);
});

test('damage that only folding meets ends the projector, and heals with the next start', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const sound = await stateOf(dir);
  await tamper(dir, (batch, tables) => batch.put(tables.unit, 'svc-3.shop', Buffer.from('not JSON')));
  await withSystem(dir, async ({ projector, lines }) => {
    while (projector.condition().state === 'live') await new Promise((done) => setTimeout(done, 5));
    assert.deepEqual([projector.condition().state, projector.condition().code], ['failed', 'CORRUPT_RECORD']);
    assert.ok(lines.has('error', 'the projector has stopped'));
  });
  await withSystem(dir, async ({ projector, lines }) => {
    assert.ok(lines.has('warn', 'made anew'));
    assert.equal(projector.condition().state, 'live');
  });
  assert.deepEqual(await stateOf(dir), sound);
});

test('the same damage met while it catches up with the log is healed at once', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const sound = await stateOf(dir);
  await tamper(dir, (batch, tables) => batch.put(tables.unit, 'svc-3.shop', Buffer.from('not JSON')));
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: new ManualClock() });
  const { offsets } = await log.append([registered('late')]);
  await log.close();
  await withSystem(dir, async ({ projector, lines }) => {
    assert.ok(lines.has('warn', 'made anew'));
    assert.equal(projector.condition().state, 'live');
    assert.equal(projector.notice.offset, offsets[0]);
  });
  const { service, ...rest } = await stateOf(dir);
  assert.ok(service?.['late.shop'] !== undefined);
  assert.deepEqual(rest.endpoint, sound.endpoint);
});

/** Flips one bit of these bytes wherever they stand in the file: a disk that forgets, behind a mark that says all is well. */
const flip = (file: string, bytes: Buffer): void => {
  const data = readFileSync(file);
  let count = 0;
  for (let at = data.indexOf(bytes); at >= 0; at = data.indexOf(bytes, at + bytes.length)) {
    data[at + 9] = (data[at + 9] ?? 0) ^ 4;
    count++;
  }
  assert.ok(count > 0);
  writeFileSync(file, data);
  // The bytes may lie in the part of the file that the mark vouches for.
  markClean(file);
};

test('damaged records of the read model are written again when they are derived, and by a rebuild', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const sound = await stateOf(dir);
  const bytesOf = (table: 'resource' | 'service' | 'endpoint', key: string): Buffer =>
    Buffer.from(sound[table]?.[key] ?? '', 'base64');
  const file = join(dir, 'state', 'data.mdb');
  flip(file, bytesOf('resource', 'eds||svc-3.shop:80'));
  flip(file, bytesOf('service', 'svc-3.shop'));
  flip(file, bytesOf('endpoint', 'svc-3.shop|svc-3-1'));
  await withSystem(dir, async (system) => {
    await feed(system, registered('svc-3', { labels: { team: 'other' } }));
    assert.ok(system.lines.has('error', 'eds||svc-3.shop:80') || system.lines.has('error', 'svc-3.shop'));
    assert.equal(system.projector.condition().state, 'live');
  });
  flip(file, bytesOf('resource', 'eds||svc-5.shop:80'));
  await withSystem(dir, async ({ projector }) => assert.equal(projector.condition().state, 'live'), {
    version: 'next',
  });
  const { resource, service } = await stateOf(dir);
  assert.deepEqual(resource, sound.resource);
  assert.deepEqual({ ...service, 'svc-3.shop': '' }, { ...sound.service, 'svc-3.shop': '' });
});

test('an older schema is emptied and made anew', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const before = await stateOf(dir);
  rmSync(join(dir, 'state'), { recursive: true });
  const older = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: { ...STATE_SCHEMA, version: 0 },
    mode: 'visible',
  });
  await older.commit((batch) => batch.put(older.table<string>('entity'), 'old', Buffer.from('layout')));
  await older.close();
  await assert.rejects(openModel(dir), (error: TendrilError) =>
    ['STATE_NOT_READY', 'DATA_MISSING'].includes(error.code),
  );
  await withSystem(dir, async ({ lines }) => assert.ok(lines.has('warn', 'schema version 0')));
  assert.deepEqual(await stateOf(dir), before);
});

test('a newer schema is refused', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async () => undefined);
  rmSync(join(dir, 'state'), { recursive: true });
  const newer = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: { ...STATE_SCHEMA, version: 99 },
    mode: 'visible',
  });
  await newer.close();
  await assert.rejects(openSystem(dir), (error: TendrilError) => error.code === 'DATA_FROM_NEWER_VERSION');
});

test('O3: other software derives again, and only what differs gets a new version', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const before = await stateOf(dir);
  await tamper(dir, (batch, tables) => {
    batch.put(tables.resource, 'cds||svc-3.shop:80', tables.resource.get('cds||svc-4.shop:80') ?? Buffer.alloc(0));
  });
  await withSystem(
    dir,
    async (system) => {
      const model = await openModel(dir);
      const { keys } = model.journalSince(model.epoch() - 1);
      assert.deepEqual(keys, ['cds||svc-3.shop:80']);
      await model.close();
      assert.ok(system.projector.counters.compiled > 0);
    },
    { version: '2.0.0' },
  );
  assert.deepEqual(await stateOf(dir), before);
  await withSystem(dir, async ({ projector }) => assert.equal(projector.counters.compiled, 0), { version: '2.0.0' });
});

test('O1: a state ahead of its log, or of another log, is refused; nothing is lost by trying', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, (system) => feed(system, registered('a'), registered('b')));
  cpSync(join(dir, 'log'), join(dir, 'log.backup'), { recursive: true });
  await withSystem(dir, (system) => feed(system, registered('c')));
  const before = await stateOf(dir);
  renameSync(join(dir, 'log'), join(dir, 'log.now'));
  renameSync(join(dir, 'log.backup'), join(dir, 'log'));
  await assert.rejects(openSystem(dir), (error: TendrilError) => {
    assert.equal(error.code, 'STATE_AHEAD_OF_LOG');
    assert.match(error.message, /stands at offset 3, but the log ends at 2/);
    assert.ok(error.remedy?.includes('restore the log'));
    return true;
  });
  assert.deepEqual(await stateOf(dir), before);

  rmSync(join(dir, 'log'), { recursive: true });
  const { openEventLog } = await import('../../src/log/index.ts');
  const other = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: { now: () => 1 } });
  await other.append(['x', 'y', 'z', 'w'].map((name) => registered(name)));
  await other.close();
  await assert.rejects(openSystem(dir), (error: TendrilError) => error.code === 'STATE_OF_ANOTHER_LOG');

  rmSync(join(dir, 'log'), { recursive: true });
  renameSync(join(dir, 'log.now'), join(dir, 'log'));
  await closeSystem(await openSystem(dir));
});

test('a state behind its log catches up', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  cpSync(join(dir, 'state'), join(dir, 'state.old'), { recursive: true });
  await withSystem(dir, async (system) => {
    const next = changeEvents(size, randomFrom(4));
    for (let round = 0; round < 5; round++) await feed(system, ...Array.from({ length: 700 }, next));
  });
  const ahead = await stateOf(dir);
  rmSync(join(dir, 'state'), { recursive: true });
  renameSync(join(dir, 'state.old'), join(dir, 'state'));
  await withSystem(dir, async ({ projector, log, lines }) => {
    assert.equal(projector.notice.offset, log.head().offset);
    assert.ok(!lines.has('warn', 'made anew'));
  });
  assert.deepEqual(await stateOf(dir), ahead);
});
