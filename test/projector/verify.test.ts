import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TendrilError } from '../../src/model/index.ts';
import { type VerifyReport, verifyData } from '../../src/projector/index.ts';
import { HEAD_KEY, openStateTables, STATE_NAME, STATE_SCHEMA } from '../../src/projector/state-tables.ts';
import { openEnvironment } from '../../src/store/index.ts';
import { closeSystem, feed, openSystem, tempDir, withSystem } from './harness.ts';
import { changeEvents, initialEvents, MESH, observed, randomFrom, registered, route } from './mesh-events.ts';

const size = { services: 20, endpoints: 4 };

const fill = async (dir: string): Promise<void> => {
  await withSystem(dir, async (system) => {
    await feed(
      system,
      ...initialEvents(size),
      route('svc-1', { timeout: '2s' }),
      observed('svc-2.shop', 'svc-3.shop:80', 'n1'),
      registered('ext', { external: { hosts: ['www.example.com'] } }),
    );
    const next = changeEvents(size, randomFrom(9));
    for (let round = 0; round < 10; round++) await feed(system, ...Array.from({ length: 150 }, next));
  });
};

const verify = (dir: string): Promise<VerifyReport> => verifyData({ dir, mesh: MESH });

test('a sound directory is proved, with progress', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const proof = await withSystem(dir, async ({ projector }) => projector.proof());
  const steps: string[] = [];
  const report = await verifyData({ dir, mesh: MESH, onProgress: ({ step }) => steps.push(step) });
  assert.deepEqual(report.problems, []);
  assert.equal(report.ok, true);
  assert.deepEqual(
    { offset: report.offset, hash: report.hash, chain: report.chain, foldVersion: report.foldVersion },
    proof,
  );
  assert.equal(report.stateOffset, proof?.offset);
  assert.deepEqual([...new Set(steps)], ['checksums', 'replay', 'resources']);
});

test('a state that trails its log, or is missing, is no problem', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  cpSync(join(dir, 'state'), join(dir, 'old'), { recursive: true });
  await withSystem(dir, (system) => feed(system, registered('late')));
  rmSync(join(dir, 'state'), { recursive: true });
  const without = await verify(dir);
  assert.deepEqual([without.ok, without.stateOffset, without.notes.length], [true, undefined, 1]);
  cpSync(join(dir, 'old'), join(dir, 'state'), { recursive: true });
  const behind = await verify(dir);
  assert.equal(behind.ok, true);
  assert.equal(behind.stateOffset, behind.offset - 1);
});

test('no data, and data in use, are errors', async (t) => {
  const dir = tempDir(t);
  await assert.rejects(verify(dir), (error: TendrilError) => error.code === 'DATA_MISSING');
  const system = await openSystem(dir);
  await assert.rejects(verify(dir), (error: TendrilError) => error.code === 'LOG_LOCKED');
  await closeSystem(system);
});

/** Flips the same bit wherever the bytes stand in the file (old pages hold copies). */
const flip = (file: string, bytes: Buffer, bit: number): number => {
  const data = readFileSync(file);
  let count = 0;
  for (let at = data.indexOf(bytes); at >= 0; at = data.indexOf(bytes, at + bytes.length)) {
    const byte = at + Math.floor(bit / 8);
    data[byte] = (data[byte] ?? 0) ^ (1 << (bit % 8));
    count++;
  }
  writeFileSync(file, data);
  return count;
};

test('ten images with one flipped bit are all found', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const random = randomFrom(20261121);
  const targets: { readonly part: 'log' | 'state'; readonly what: string; readonly bytes: Buffer }[] = [];
  const state = await openEnvironment({
    dir,
    mesh: MESH,
    name: STATE_NAME,
    schema: STATE_SCHEMA,
    mode: 'visible',
    readOnly: true,
  });
  const tables = openStateTables(state);
  const target = (what: string, body: Buffer | undefined): void => {
    assert.ok(body !== undefined, what);
    targets.push({ part: 'state', what, bytes: body });
  };
  target('entity', tables.entity.get('eps/svc-3.shop/0'));
  target('entity', tables.entity.get('svc/svc-5.shop'));
  target('resource', tables.resource.get('eds||svc-3.shop:80'));
  target('resource', tables.resource.get('vhds||svc-1.shop:80'));
  target('service', tables.service.get('svc-7.shop'));
  target('endpoint', tables.endpoint.get('svc-7.shop|svc-7-1'));
  target('head', tables.head.get(HEAD_KEY));
  target('proof', tables.proof.get(1024));
  await state.close();
  const log = await openEnvironment({
    dir,
    mesh: MESH,
    name: 'log',
    schema: { name: 'tendril-log', version: 1 },
    readOnly: true,
  });
  const events = log.table<number>('events');
  for (const offset of [1, 700])
    targets.push({ part: 'log', what: `event ${offset}`, bytes: events.get(offset) ?? Buffer.alloc(0) });
  await log.close();
  assert.equal(targets.length, 10);

  for (const { part, what, bytes } of targets) {
    const image = `${dir}-image`;
    cpSync(dir, image, { recursive: true });
    const bit = Math.floor(random() * bytes.length * 8);
    assert.ok(flip(join(image, part, 'data.mdb'), bytes, bit) > 0, what);
    const report = await verify(image);
    assert.equal(report.ok, false, `${what}, bit ${bit}`);
    assert.ok(
      report.problems.some((problem) => problem.part === part),
      `${what}: ${JSON.stringify(report.problems)}`,
    );
    rmSync(image, { recursive: true });
  }
});

test('a head that a start would refuse, though the rest can be read, is found', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const file = join(dir, 'log', 'data.mdb');
  const image = readFileSync(file);
  const newest = image.readBigUInt64LE(152) > image.readBigUInt64LE(4096 + 152) ? 0 : 4096;
  // Number of the last page, bit 34: only a writer would go there.
  image[newest + 144 + 4] = (image[newest + 144 + 4] ?? 0) ^ 4;
  writeFileSync(file, image);
  const { ok, problems } = await verify(dir);
  assert.equal(ok, false);
  assert.deepEqual(
    problems.map(({ part, where, message }) => [part, where, message]),
    [['log', 'its head', 'its meta page points outside of it']],
  );
});

test('records with a good checksum and wrong content are found by the replay', async (t) => {
  const dir = tempDir(t);
  await fill(dir);
  const wrongs: readonly [
    name: string,
    write: (tables: ReturnType<typeof openStateTables>) => [table: never, key: string, body: Buffer | undefined],
  ][] = [
    [
      'resource[eds||svc-3.shop:80]',
      (tables) => [tables.resource as never, 'eds||svc-3.shop:80', tables.resource.get('eds||svc-4.shop:80')],
    ],
    ['resource[cds||svc-3.shop:80]', (tables) => [tables.resource as never, 'cds||svc-3.shop:80', undefined]],
    [
      'resource[cds||extra.shop:80]',
      (tables) => [tables.resource as never, 'cds||extra.shop:80', tables.resource.get('cds||svc-4.shop:80')],
    ],
    [
      'entity[svc/svc-3.shop]',
      (tables) => [tables.entity as never, 'svc/svc-3.shop', tables.entity.get('svc/svc-4.shop')],
    ],
    [
      'entity[svc/extra.shop]',
      (tables) => [tables.entity as never, 'svc/extra.shop', tables.entity.get('svc/svc-4.shop')],
    ],
    ['caller[*.shop]', (tables) => [tables.caller as never, '*.shop', undefined]],
    ['service[svc-3.shop]', (tables) => [tables.service as never, 'svc-3.shop', tables.service.get('svc-4.shop')]],
    ['host[www.example.com]', (tables) => [tables.host as never, 'www.example.com', Buffer.from('svc-1.shop')]],
    [
      'endpoint[svc-3.shop|extra]',
      (tables) => [tables.endpoint as never, 'svc-3.shop|extra', Buffer.from('{"id":"extra"}')],
    ],
    ['head[mesh]', (tables) => [tables.head as never, 'mesh', Buffer.from('{"name":"default","suffixes":[]}')]],
  ];
  for (const [where, write] of wrongs) {
    const image = `${dir}-image`;
    cpSync(dir, image, { recursive: true });
    const environment = await openEnvironment({
      dir: image,
      mesh: MESH,
      name: STATE_NAME,
      schema: STATE_SCHEMA,
      mode: 'visible',
    });
    const [table, key, body] = write(openStateTables(environment));
    await environment.commit((batch) => (body === undefined ? batch.remove(table, key) : batch.put(table, key, body)));
    await environment.close();
    const report = await verify(image);
    assert.equal(report.ok, false, where);
    assert.deepEqual(
      report.problems.map((problem) => problem.where),
      [where],
    );
    rmSync(image, { recursive: true });
  }
});
