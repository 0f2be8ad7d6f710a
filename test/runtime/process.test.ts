/** The life of `tendril serve`: how it ends, what it survives, and that nothing stays behind (contracts, "Process"; design, section 9). */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';
import {
  assertRefused,
  cleanUp,
  descendants,
  gone,
  processes,
  type Serve,
  serve,
  sleep,
  start,
  temporaryFolder,
  until,
} from '../cli/support/tendril.ts';
import { isCore, isWorker, only, ready, register, writable } from './support.ts';

after(cleanUp);

const dataFolder = (): string => join(temporaryFolder(), 'data');

const sidecar = (server: Serve, id = 'web-1'): SidecarClient =>
  connectSidecar({
    addresses: [{ host: '127.0.0.1', port: server.xdsPort }],
    node: { id, cluster: 'web.shop', metadata: { service: 'web', namespace: 'shop' } },
    backoff: { baseMs: 20, maxMs: 200 },
  });

describe('serve ends', { concurrency: false }, () => {
  test('SIGTERM with a connected sidecar: exit 0 within 10 s, stderr quiet, every process gone, the data free and whole', async () => {
    const data = dataFolder();
    const server = await serve(['--data', data]);
    const client = sidecar(server);
    try {
      await register(server, 'reviews');
      assert.equal(await client.hold('reviews.shop:80'), true);
      const family = descendants(server.pid);
      assert.deepEqual([family.filter(isCore).length, family.filter(isWorker).length, family.length], [1, 1, 2]);
      const began = performance.now();
      const { code, signal, err, out } = await server.stop();
      const took = performance.now() - began;
      assert.deepEqual([code, signal, err], [0, null, '']);
      assert.ok(took < 10_000, `${took} ms`); // contracts: a bound of the product, not of this test
      assert.equal(out.split('\n').length, 2, 'one line on stdout');
      await gone(family);
      assert.ok(!existsSync(join(data, 'core.sock')), 'the socket is removed');
    } finally {
      await client.close();
    }
    const again = await serve(['--data', data, '--workers', '0']);
    const { services } = (await (await fetch(`${again.api}/v1/services`)).json()) as { services: unknown[] };
    assert.equal(services.length, 1);
    assert.equal((await again.stop()).code, 0);
  });

  test('a second signal ends it at once, and the children with it', async () => {
    const server = await serve(['--data', dataFolder()]);
    const family = descendants(server.pid);
    const client = sidecar(server); // its stream is drained for up to 5 s
    await client.start();
    server.child.kill('SIGTERM');
    server.child.kill('SIGTERM');
    const { code, signal } = await server.ended;
    assert.ok(code === 143 || code === 0, `${code} ${signal}`); // 0: it had ended in order already
    await gone(family);
    await client.close();
  });

  test('SIGTERM to the core ends all of it in order: that is the process which LOG_LOCKED names', async () => {
    const data = dataFolder();
    const server = await serve(['--data', data]);
    const family = descendants(server.pid);
    const core = only(family.filter(isCore));
    const second = start(['serve', '--data', data, '--workers', '0', '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0']);
    assertRefused(await second.ended, 'LOG_LOCKED', `kill ${core.pid}`, '--data');
    process.kill(core.pid, 'SIGTERM');
    const { code, signal, err } = await server.ended;
    assert.deepEqual([code, signal, err], [0, null, '']);
    await gone(family);
  });

  test('SIGTERM, SIGINT and SIGHUP while it starts: exit 0 or by the signal, nothing left', async () => {
    const told = async (signal: NodeJS.Signals, ms: number): Promise<void> => {
      const going = start(['serve', '--data', dataFolder(), '--xds', '127.0.0.1:0', '--admin', '127.0.0.1:0']);
      await sleep(ms); // some moment of the start; which one does not matter
      const family = descendants(going.pid);
      going.child.kill(signal);
      const ended = await going.ended;
      assert.ok(ended.code === 0 || ended.signal === signal, `${signal}: ${ended.code} ${ended.signal} ${ended.err}`);
      await gone(family);
    };
    await Promise.all([told('SIGTERM', 900), told('SIGINT', 1_300), told('SIGHUP', 1_700)]);
  });

  test('the supervisor killed with -9: core and worker end by themselves, port and data are free at once', async () => {
    const data = dataFolder();
    const server = await serve(['--data', data]);
    await register(server, 'reviews');
    const family = descendants(server.pid);
    assert.equal(family.length, 2);
    server.child.kill('SIGKILL');
    await server.ended;
    await gone(family);
    const again = await serve([
      '--data',
      data,
      '--xds',
      `127.0.0.1:${server.xdsPort}`,
      '--admin',
      `127.0.0.1:${server.adminPort}`,
    ]);
    const { services } = (await (await fetch(`${again.api}/v1/services`)).json()) as { services: unknown[] };
    assert.equal(services.length, 1, 'what was acknowledged is there');
    assert.equal((await again.stop()).code, 0);
  });
});

describe('serve survives', { concurrency: false }, () => {
  test('its core: streams stay, known services are answered, writes work again; and its worker: sidecars come back', async () => {
    const server = await serve(['--data', dataFolder()]);
    const client = sidecar(server);
    try {
      await register(server, 'reviews');
      await register(server, 'ratings');
      assert.equal(await client.hold('reviews.shop:80'), true);
      const { connects } = client.stats();
      const core = only(descendants(server.pid).filter(isCore));
      process.kill(core.pid, 'SIGKILL');
      assert.equal(await client.hold('ratings.shop:80'), true, 'a known service, asked for while the core is away');
      await writable(server, 'cart');
      assert.notEqual(only(descendants(server.pid).filter(isCore)).pid, core.pid);
      assert.equal(client.stats().connects, connects, 'the stream went on');
      assert.equal(await client.hold('cart.shop:80'), true, 'what came after the restart reaches the same stream');
      assert.match(server.err(), /"msg":"core ended; starting it again"/);

      const worker = only(descendants(server.pid).filter(isWorker));
      process.kill(worker.pid, 'SIGKILL');
      await until(
        () => (client.stats().connects > connects && client.stats().connected ? true : undefined),
        () => `the sidecar is not back: ${server.err()}`,
      );
      assert.notEqual(only(descendants(server.pid).filter(isWorker)).pid, worker.pid);
      await until(
        async () => ((await ready(server)) === 200 ? true : undefined),
        () => 'not ready',
      );
      assert.equal(await register(server, 'later'), 200);
      assert.equal(await client.hold('later.shop:80'), true);
    } finally {
      await client.close();
    }
    assert.equal((await server.stop()).code, 0);
  });

  test('--workers 2 share the port; one of them killed, the other serves, and both are there again', async () => {
    const server = await serve(['--workers', '2', '--data', dataFolder()]);
    const workers = descendants(server.pid).filter(isWorker);
    assert.equal(workers.length, 2);
    await register(server, 'reviews');
    const clients = Array.from({ length: 24 }, (_, index) => sidecar(server, `web-${index}`));
    try {
      assert.deepEqual(
        new Set(await Promise.all(clients.map((client) => client.hold('reviews.shop:80')))),
        new Set([true]),
      );
      const perWorker = async (): Promise<number[]> => {
        const text = await (await fetch(`${server.api}/metrics`)).text();
        return [...text.matchAll(/^tendril_xds_sessions\{worker="[0-9]+"\} ([0-9]+)$/gm)].map(([, count]) =>
          Number(count),
        );
      };
      const counts = await perWorker();
      assert.equal(counts.length, 2, 'both tell');
      assert.equal(counts[0] === undefined || counts[1] === undefined ? 0 : counts[0] + counts[1], 24);
      assert.ok(
        counts.every((count) => count > 0),
        `24 sidecars on two workers: ${counts}`,
      ); // 2^-23 against it
      process.kill(workers[0]?.pid ?? 0, 'SIGKILL');
      await until(
        () =>
          clients.every((client) => client.stats().connected) && descendants(server.pid).filter(isWorker).length === 2
            ? true
            : undefined,
        () => server.err(),
      );
      assert.equal(await register(server, 'ratings'), 200);
      assert.deepEqual(
        new Set(await Promise.all(clients.map((client) => client.hold('ratings.shop:80')))),
        new Set([true]),
      );
    } finally {
      for (const client of clients) await client.close();
    }
    assert.equal((await server.stop()).code, 0);
  });

  test('--log memory: a dead core comes back empty and serves; at the end nothing is on the disk', async () => {
    const folder = temporaryFolder();
    const before = new Set(readdirSync(tmpdir()).filter((name) => name.startsWith('tendril-memory-')));
    const server = await serve(['--log', 'memory'], { cwd: folder });
    const made = readdirSync(tmpdir()).filter((name) => name.startsWith('tendril-memory-') && !before.has(name));
    assert.ok(made.length > 0);
    await register(server, 'reviews');
    process.kill(only(descendants(server.pid).filter(isCore)).pid, 'SIGKILL');
    await writable(server, 'cart');
    const { services } = (await (await fetch(`${server.api}/v1/services`)).json()) as { services: { name: string }[] };
    assert.deepEqual(
      services.map(({ name }) => name),
      ['cart'],
      'a log in memory is gone with its process',
    );
    const client = sidecar(server);
    assert.equal(await client.hold('cart.shop:80'), true);
    await client.close();
    assert.equal((await server.stop()).code, 0);
    assert.deepEqual(readdirSync(folder), [], 'no data directory was made');
    const left = readdirSync(tmpdir()).filter((name) => made.includes(name));
    // Another test may have made one meanwhile; ours is named in nobody's command line any more.
    assert.ok(left.length < made.length || made.length === 0, `left: ${left}`);
    assert.ok(processes().every(({ parent }) => parent !== server.pid));
  });
});
