/** Writes of the cache that fail, are cut off, or have no room, and clocks that jump; invariants of src/sidecar-client/cache.ts by number. The rest: tendril-client.test.ts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CacheOptions, openCache } from '../../src/sidecar-client/cache.ts';
import { createClient } from '../../src/sidecar-client/index.ts';
import { assignmentBody, clusterBody, MemoryMesh, virtualHostBody } from '../delta-xds/support/memory-mesh.ts';
import { serveMesh } from '../delta-xds/support/serve-mesh.ts';
import { skipLoudly, smallDisk, temporaryDirectory } from '../store/support.ts';
import { freePort } from '../support/ports.ts';
import { cacheKillRounds } from './cache-kill-rounds.ts';

test('K4: what could not be written is written with the next write', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-cache-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const problems: string[] = [];
  let version = 'old';
  let fails = false;
  const options: CacheOptions = {
    dir,
    mesh: 'm',
    node: 'n',
    now: Date.now,
    rules: 1,
    writeMs: 10,
    onProblem: ({ code }) => problems.push(code),
    read: (_, name) => {
      if (fails) throw new Error('no');
      return { name, version, body: new Uint8Array([1]) };
    },
    asked: () => ({ hosts: [], clusters: [] }),
  };
  const cache = await openCache(options);
  cache?.noteChange('cds', ['a']);
  await new Promise((done) => setTimeout(done, 300));
  [version, fails] = ['new', true];
  cache?.noteChange('cds', ['a']);
  for (let tries = 0; problems.length === 0 && tries < 6_000; tries++)
    await new Promise((done) => setTimeout(done, 10));
  assert.deepEqual(problems, ['CACHE_UNUSABLE']);
  fails = false;
  await cache?.close();
  const next = await openCache(options);
  assert.deepEqual(
    next?.takeEarlier()?.cds.map((held) => held.version),
    ['new'],
  );
  await next?.close();
});

test('K1, K3: killed with 9 while it writes, twice: what the next process finds is whole', (context) =>
  cacheKillRounds(context, 2));

const HOUR = 3_600_000;

test('K5: a clock that went back makes the age unknown, and it stays so until the clock is right or a control plane answers', async (t) => {
  const dir = temporaryDirectory(t);
  let at = 100 * HOUR;
  /** The age that a process finds which starts now; it writes when it ends, as every process does. */
  const life = async (isLive = false): Promise<number | undefined> => {
    const cache = await openCache({
      dir,
      mesh: 'm',
      node: 'n',
      now: () => at,
      rules: 1,
      onProblem: ({ message }) => assert.fail(message),
      read: () => undefined,
      asked: () => ({ hosts: ['a'], clusters: [] }),
    });
    const age = cache?.takeEarlier()?.ageMs;
    if (isLive) cache?.noteLive();
    await cache?.close();
    return age;
  };
  await life(true);
  at += 2 * HOUR;
  assert.equal(await life(), 2 * HOUR);
  at += HOUR;
  assert.equal(await life(), 3 * HOUR);
  // Back, but not behind the moment itself: it would be one hour, and is three at least.
  at -= 2 * HOUR;
  assert.equal(await life(), undefined);
  at -= 50 * HOUR;
  assert.equal(await life(), undefined);
  assert.equal(await life(), undefined, 'what is unknown does not become new by being written');
  at += 53 * HOUR;
  assert.equal(await life(), 4 * HOUR, 'the clock is right again');
  at -= 50 * HOUR;
  assert.equal(await life(true), undefined);
  at += HOUR;
  assert.equal(await life(), HOUR);
  at += 1_000_000 * HOUR;
  assert.equal(await life(), 1_000_001 * HOUR);
});

test('K1: a full disk: named, nothing is written, the client works, and writes when there is room; a restart meanwhile has the last known good', async (t) => {
  const disk = smallDisk(t, 80);
  if ('why' in disk) return skipLoudly(t, disk.why);
  const mesh = new MemoryMesh();
  const add = (name: string): void => {
    mesh.set('cds', `${name}:80`, clusterBody(`${name}:80`, 'c-1', true));
    mesh.set('eds', `${name}:80`, assignmentBody(`${name}:80`, 'e-1', [1]));
    mesh.set('vhds', `${name}:80`, virtualHostBody('h-1', [name, `${name}:80`], [`${name}:80`]));
  };
  for (const name of ['cart.shop', 'pay.shop', 'stock.shop']) add(name);
  const { server, port } = await serveMesh(mesh);
  t.after(() => server.close());
  const problems: string[] = [];
  const cacheDir = join(disk.path, 'cache');
  const start = (at: number, dir = cacheDir) =>
    createClient({
      addresses: [`127.0.0.1:${at}`],
      node: { service: 'app', namespace: 'shop', id: 'app-1' },
      cacheDir: dir,
      log: ({ code, remedy }) => problems.push(`${code}: ${remedy}`),
      timeoutMs: 1_000,
    });
  const ballast = join(disk.path, 'ballast');
  /** Leaves so much. */
  const fill = (rest: number): void => {
    const { bavail, bsize } = statfsSync(disk.path);
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - rest));
  };
  const full = 'CACHE_FULL: free space on the disk; writing goes on by itself';
  const until = async (what: string, is: () => boolean): Promise<void> => {
    for (let tries = 0; !is(); tries++) {
      if (tries > 500) assert.fail(`waited in vain: ${what}`);
      await new Promise((done) => setTimeout(done, 10));
    }
  };

  const first = await start(port);
  t.after(() => first.close());
  assert.equal(await first.ready('cart.shop'), true);
  await new Promise((done) => setTimeout(done, 400));
  fill(0);
  assert.equal(await first.ready('pay.shop'), true);
  await until('it is named', () => problems.length > 0);
  await first.close();
  assert.deepEqual([...new Set(problems)], [full]);

  const nobody = await freePort();
  const second = await start(nobody);
  t.after(() => second.close());
  assert.equal(second.status().source, 'cache');
  assert.equal((await second.service('cart.shop').endpoints()).length, 1);
  assert.equal(second.virtualHostOf('pay.shop'), undefined);
  await until('named once more', () => problems.length > 1);
  assert.equal(second.status().cache.problem?.code, 'CACHE_FULL');
  await second.close();

  const third = await start(port);
  t.after(() => third.close());
  const fresh = await start(port, join(disk.path, 'none'));
  t.after(() => fresh.close());
  assert.equal(fresh.status().cache.problem?.code, 'CACHE_FULL');
  for (const client of [third, fresh]) assert.equal(await client.ready('stock.shop'), true);
  rmSync(ballast);
  const size = (): number => statSync(join(cacheDir, 'client', 'data.mdb')).mtimeMs;
  const before = size();
  await until('it is written', () => size() > before);
  await third.close();
  const last = await start(nobody);
  t.after(() => last.close());
  for (const name of ['cart.shop', 'stock.shop']) assert.notEqual(last.virtualHostOf(name), undefined, name);
  assert.deepEqual([...new Set(problems)], [full]);
});
