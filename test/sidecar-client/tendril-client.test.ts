/** The application's client against a real xDS server: first use, watching, release, and what its cache on disk gives the next process. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import type { AdsServer } from '../../src/delta-xds/index.ts';
import { type ClientOptions, createClient, type TendrilClient } from '../../src/sidecar-client/index.ts';
import { assignmentBody, clusterBody, MemoryMesh, virtualHostBody } from '../delta-xds/support/memory-mesh.ts';
import { serveMesh } from '../delta-xds/support/serve-mesh.ts';
import { freePort } from '../support/ports.ts';
import { repositoryRoot } from '../support/root.ts';

const open: (() => unknown)[] = [];
after(async () => {
  for (const close of open.reverse()) await close();
});

const folder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-client-'));
  open.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

const serve = async (mesh: MemoryMesh, port = 0): Promise<{ readonly server: AdsServer; readonly port: number }> => {
  const made = await serveMesh(mesh, port);
  open.push(() => made.server.close());
  return made;
};

const problems: string[] = [];
const start = async (port: number, more: Partial<ClientOptions> = {}): Promise<TendrilClient> => {
  const client = await createClient({
    addresses: [`127.0.0.1:${port}`],
    node: { service: 'app', namespace: 'shop', id: 'sidecar~1~app.shop' },
    backoff: { baseMs: 10, maxMs: 50 },
    log: ({ code }) => problems.push(code),
    ...more,
  });
  open.push(() => client.close());
  return client;
};

const service = (mesh: MemoryMesh, name: string, version: string, ports: readonly number[]): void => {
  mesh.set('cds', `${name}:80`, clusterBody(`${name}:80`, `c-${version}`, true));
  mesh.set('eds', `${name}:80`, assignmentBody(`${name}:80`, `e-${version}`, ports));
  mesh.set('vhds', `${name}:80`, virtualHostBody(`h-${version}`, [name, `${name}:80`], [`${name}:80`]));
};

const shop = (): MemoryMesh => {
  const mesh = new MemoryMesh();
  service(mesh, 'cart.shop', '1', [1, 2]);
  service(mesh, 'pay.shop', '1', [3]);
  return mesh;
};

const until = async (what: string, is: () => boolean): Promise<void> => {
  for (let tries = 0; !is(); tries++) {
    if (tries > 500) assert.fail(`waited in vain: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
};

test('a service is asked for on first use; pick, watch and iteration see its endpoints; nobody answers: false', async () => {
  const mesh = shop();
  const { port, server } = await serve(mesh);
  const client = await start(port);
  const cart = client.service('CART.shop');
  assert.equal(cart.pick(), 'no-cluster');
  assert.equal(await cart.ready(), true);
  assert.equal(await client.service('nobody.shop').ready(), false);
  assert.deepEqual(
    (await cart.endpoints()).map((endpoint) => endpoint.port),
    [1, 2],
  );
  const ports = new Set<number>();
  for (let times = 0; times < 4; times++) {
    const picked = cart.pick();
    if (typeof picked === 'string') assert.fail(picked);
    ports.add(picked.endpoint.port);
    picked.release({ end: 'answered', status: 200 }, performance.now());
  }
  assert.deepEqual([...ports].sort(), [1, 2]);
  const seen: number[][] = [];
  for await (const endpoints of cart) {
    seen.push(endpoints.map((endpoint) => endpoint.port));
    if (seen.length === 2) break;
    mesh.set('eds', 'cart.shop:80', assignmentBody('cart.shop:80', 'e-2', [2, 5]));
    await server.wake();
  }
  assert.deepEqual(seen, [
    [1, 2],
    [2, 5],
  ]);
  const { source, ageMs, held } = client.status();
  assert.deepEqual([source, ageMs, held], ['live', 0, { clusters: 1, assignments: 1, virtualHosts: 1 }]);
});

test('an idle service that nobody watches is released; its next use asks again', async () => {
  const { port } = await serve(shop());
  const client = await start(port, { idleMs: 1 });
  const [cart, pay] = [client.service('cart.shop'), client.service('pay.shop')];
  const end = pay.watch(() => undefined);
  await client.prefetch(['cart.shop', 'pay.shop']);
  await until('cart is released', () => client.virtualHostOf('cart.shop') === undefined);
  await until('its assignment is gone', () => client.status().held.assignments === 1);
  assert.equal((await pay.endpoints()).length, 1);
  end();
  assert.equal((await cart.endpoints()).length, 2);
});

test('an idle TCP service is released with its cluster, and asked for again', async () => {
  const mesh = new MemoryMesh();
  mesh.set('cds', 'db.shop:5432', clusterBody('db.shop:5432', 'c-1', true));
  mesh.set('eds', 'db.shop:5432', assignmentBody('db.shop:5432', 'e-1', [9001]));
  const { port } = await serve(mesh);
  const client = await start(port, { idleMs: 1 });
  const db = client.service('db.shop:5432');
  assert.equal(await db.ready(), true);
  await until('nothing is held', () => client.status().held.clusters + client.status().held.assignments === 0);
  assert.equal((await db.endpoints()).length, 1);
});

test('clusters under other names than the service are released with the last service that needs them', async () => {
  const mesh = shop();
  const shared = 'stock.shop:80|v2';
  mesh.set('cds', shared, clusterBody(shared, 'c-1', true));
  mesh.set('eds', shared, assignmentBody(shared, 'e-1', [9]));
  for (const name of ['cart.shop', 'pay.shop'])
    mesh.set('vhds', `${name}:80`, virtualHostBody('h-2', [name, `${name}:80`], [shared]));
  const { port } = await serve(mesh);
  const client = await start(port, { idleMs: 1 });
  const end = client.service('pay.shop').watch(() => undefined);
  await client.prefetch(['cart.shop', 'pay.shop']);
  await until('cart is released', () => client.virtualHostOf('cart.shop') === undefined);
  await new Promise((done) => setTimeout(done, 100));
  assert.equal(client.status().held.clusters, 1);
  end();
  await until('nothing is held', () => client.status().held.clusters + client.status().held.assignments === 0);
});

test('an application whose listeners throw keeps its stream, and is warned', async (t) => {
  const warnings: string[] = [];
  const warned = ({ message }: Error): number => warnings.push(message);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const mesh = shop();
  const { port, server } = await serve(mesh);
  const waits: string[] = [];
  const client = await start(port, {
    onStatus: (status) => {
      if (status.is === 'waiting') waits.push(status.why);
      throw new Error(`my status ${status.is}`);
    },
  });
  const seen: number[] = [];
  client.onChange(() => {
    throw new Error('my change');
  });
  client.service('cart.shop').watch(() => {
    throw new Error('my watcher');
  });
  client.service('cart.shop').watch((endpoints) => seen.push(endpoints.length));
  await until('the other watcher is told', () => seen.at(-1) === 2);
  mesh.set('eds', 'cart.shop:80', assignmentBody('cart.shop:80', 'e-2', [2, 5, 6]));
  await server.wake();
  await until('and again', () => seen.at(-1) === 3);
  assert.deepEqual(waits, []);
  for (const what of ['my status connected', 'my change', 'my watcher'])
    assert.ok(
      warnings.some((warning) => warning.includes(what)),
      what,
    );
});

test('the cache is written for what is new, not for every call', async () => {
  const dir = folder();
  const { port } = await serve(shop());
  const client = await start(port, { cacheDir: dir });
  await client.ready('cart.shop');
  const written = (): number => statSync(join(dir, 'client', 'data.mdb')).mtimeMs;
  // What is new by now is written, however slow the disk is.
  let before = 0;
  while (before !== written()) {
    before = written();
    await new Promise((done) => setTimeout(done, 700));
  }
  for (let calls = 0; calls < 20; calls++) {
    await client.ready('cart.shop');
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.equal(written(), before);
  assert.equal(await client.ready('nobody.shop'), false);
  await until('a question is noted', () => written() > before);
});

test('K1, K5: a new process serves what an earlier one held while no control plane is there, and says how old it is', async () => {
  const dir = folder();
  const mesh = shop();
  const first = await serve(mesh);
  const before = await start(first.port, { cacheDir: dir });
  await before.prefetch(['cart.shop', 'pay.shop']);
  await before.close();
  await first.server.close();
  assert.equal(statSync(join(dir, 'client')).mode & 0o777, 0o700);
  assert.equal(statSync(join(dir, 'client', 'data.mdb')).mode & 0o777, 0o600);

  const client = await start(first.port, { cacheDir: dir, now: () => Date.now() + 60_000 });
  assert.equal((await client.service('cart.shop').endpoints()).length, 2);
  assert.notEqual(typeof client.service('pay.shop').pick(), 'string');
  const { source, ageMs = 0 } = client.status();
  assert.equal(source, 'cache');
  assert.ok(ageMs >= 60_000, `${ageMs}`);

  // Meanwhile one service changed and one went: the normal delta brings both.
  service(mesh, 'cart.shop', '2', [7]);
  for (const type of ['cds', 'eds', 'vhds'] as const) mesh.set(type, 'pay.shop:80', undefined);
  await serve(mesh, first.port);
  await until('it is live', () => client.status().source === 'live');
  await until('pay is gone', () => client.status().held.clusters === 1);
  await until('cart is new', () => client.assignmentOf('cart.shop:80')?.version === 'e-2');
  await client.close();

  const back = await start(await freePort(), { cacheDir: dir, now: () => 1_000 });
  assert.deepEqual([back.status().source, back.status().ageMs], ['cache', undefined]);
  assert.deepEqual(
    (await back.service('cart.shop').endpoints()).map((endpoint) => endpoint.port),
    [7],
  );
  assert.equal(back.virtualHostOf('pay.shop'), undefined);
  await back.close();
});

test('K2: a folder in use or of another node is left alone; the client works from memory', async () => {
  const dir = folder();
  const { port } = await serve(shop());
  const owner = await start(port, { cacheDir: dir });
  await owner.prefetch(['cart.shop']);
  const second = await start(port, { cacheDir: dir });
  assert.equal(second.status().cache.problem?.code, 'CACHE_IN_USE');
  assert.equal((await second.service('cart.shop').endpoints()).length, 2);
  await owner.close();
  const other = { service: 'app', namespace: 'shop', id: 'sidecar~2~app.shop' };
  const stranger = await start(port, { cacheDir: dir, node: other });
  assert.deepEqual([stranger.status().cache.state, stranger.status().cache.problem?.code], ['off', 'CACHE_FOREIGN']);
  const abroad = await start(port, { cacheDir: dir, mesh: 'other' });
  assert.equal(abroad.status().cache.problem?.code, 'CACHE_FOREIGN');
  const again = await start(await freePort(), { cacheDir: dir });
  assert.equal((await again.service('cart.shop').endpoints()).length, 2);
});

test('K3: a damaged cache is named, not served, and made again', async () => {
  const dir = folder();
  const { port } = await serve(shop());
  const before = await start(port, { cacheDir: dir });
  await before.prefetch(['cart.shop']);
  await before.close();
  const file = join(dir, 'client', 'data.mdb');
  const bytes = readFileSync(file);
  const at = bytes.indexOf('e-1');
  assert.ok(at > 0);
  for (let found = at; found >= 0; found = bytes.indexOf('e-1', found + 1)) bytes[found] = 0x46;
  writeFileSync(file, bytes);
  problems.length = 0;
  const client = await start(port, { cacheDir: dir });
  assert.deepEqual(problems, ['CACHE_CORRUPT']);
  assert.equal(client.virtualHostOf('cart.shop'), undefined);
  assert.equal((await client.service('cart.shop').endpoints()).length, 2);
  await client.close();
  problems.length = 0;
  const healed = await start(await freePort(), { cacheDir: dir });
  assert.deepEqual(problems, []);
  assert.equal((await healed.service('cart.shop').endpoints()).length, 2);
});

test('K1: a file where the folder should be; addresses that are none', async () => {
  const dir = folder();
  writeFileSync(join(dir, 'file'), 'x');
  chmodSync(join(dir, 'file'), 0o600);
  const client = await start(await freePort(), { cacheDir: join(dir, 'file') });
  assert.deepEqual([client.status().source, client.status().cache.problem?.code], ['none', 'CACHE_UNUSABLE']);
  const node = { service: 'app', namespace: 'shop' };
  await assert.rejects(createClient({ addresses: ['nowhere'], node }), { code: 'CLIENT_ADDRESS' });
  await assert.rejects(createClient({ addresses: [], node }), { code: 'CLIENT_ADDRESS' });
});

test('the example of docs/client.md runs', async () => {
  const mesh = new MemoryMesh();
  const name = 'payments.shop:8080';
  mesh.set('cds', name, clusterBody(name, 'c-1', true));
  mesh.set('eds', name, assignmentBody(name, 'e-1', [9001]));
  mesh.set('vhds', name, virtualHostBody('h-1', ['payments.shop', name], [name]));
  const { port } = await serve(mesh);
  const [, example = ''] =
    /```js\n([\s\S]*?)```/.exec(readFileSync(join(repositoryRoot, 'docs/client.md'), 'utf8')) ?? [];
  const dir = folder();
  const entry = new URL('../../src/sidecar-client/index.js', import.meta.url).href;
  writeFileSync(
    join(dir, 'example.mjs'),
    example.replace('tendril/sidecar-client', entry).replace('127.0.0.1:18000', `127.0.0.1:${port}`),
  );
  const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], { cwd: dir, timeout: 120_000 });
  assert.match(stdout, /^127\.0\.0\.1 9001\n\[\n? *\{/);
});
