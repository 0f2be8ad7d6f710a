/** The process: pipes that close early, Ctrl-C, streams over restarts of the server, flushed output. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { portOf } from '../support/ports.ts';
import {
  assertRefused,
  cleanUp,
  descendants,
  MAIN,
  type Serve,
  serve,
  sleep,
  start,
  temporaryFolder,
  tendril,
} from './support/tendril.ts';

const data = temporaryFolder();
let server: Serve;
const env = (): { readonly env: Readonly<Record<string, string>> } => ({ env: { TENDRIL_SERVER: server.api } });

const SERVICE_EVENTS = 2_000;

const append = async (count: number, prefix: string): Promise<void> => {
  const events = Array.from({ length: count }, (_, index) => ({
    type: 'service.registered',
    data: { namespace: 'shop', name: `${prefix}-${index}`, ports: [{ port: 80, protocol: 'http' }] },
  }));
  for (let from = 0; from < count; from += 500) {
    const response = await fetch(`${server.api}/v1/events?wait=applied&timeout=60s`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events: events.slice(from, from + 500) }),
    });
    assert.equal(response.status, 200, await response.text());
  }
};

before(async () => {
  server = await serve(['--workers', '0', '--data', data]);
  await append(SERVICE_EVENTS, 'a');
});
after(async () => {
  await server.stop();
  cleanUp();
});

/** A running command whose output nobody reads to the end: stdout is closed after the first bytes. */
const firstBytes = async (args: readonly string[]) => {
  const going = start(args, env());
  going.child.stdin?.end();
  await Promise.race([once(going.child.stdout ?? going.child, 'data'), going.ended]);
  going.child.stdout?.destroy();
  return going;
};

describe('the process', { concurrency: false }, () => {
  test('tendril events | head -1: no complaint, exit 0, the process is gone', async () => {
    const rows = spawn(
      'sh',
      ['-c', `"$0" "$@" | head -1; exit 0`, process.execPath, MAIN, 'events', '--limit', '2000'],
      {
        env: { ...process.env, TENDRIL_SERVER: server.api },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let [out, err] = ['', ''];
    rows.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    rows.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    await once(rows, 'close');
    assert.match(out, /^EVENT +RECORDED[^\n]*\n$/);
    assert.equal(err, '');
  });

  test('a reader that stops ends the command with 0: of a list, and of a stream at the next row', async () => {
    const list = await firstBytes(['events', '--limit', String(SERVICE_EVENTS), '-o', 'json']);
    assert.deepEqual([(await list.ended).code, list.err()], [0, '']);
    const stream = await firstBytes(['events', '--follow', '--from', '1', '-o', 'json']);
    await append(50, 'b');
    assert.deepEqual([(await stream.ended).code, stream.err()], [0, '']);
  });

  test('a long output arrives whole through a pipe', async () => {
    const { out, code } = await tendril(['events', '--limit', '1000000', '-o', 'json'], env());
    assert.equal(code, 0);
    const { events } = JSON.parse(out) as { events: { offset: number }[] };
    assert.ok(events.length > SERVICE_EVENTS && out.length > 500_000);
    assert.ok(events.every(({ offset }, index) => offset === index + 1));
  });

  test('events --follow: new rows as they come, under a head; Ctrl-C ends it with 0', async () => {
    const follow = start(['events', '--follow', '--type', 'service.*'], env());
    await follow.says(/^EVENT +RECORDED +STATUS/m);
    await append(1, 'c');
    await follow.says(/applied +service\.registered +service\/shop\/c-0/);
    follow.child.kill('SIGINT');
    const { code, signal, err, out } = await follow.ended;
    assert.deepEqual([code, signal, err], [0, null, '']);
    assert.equal(out.trimEnd().split('\n').length, 2, 'the head and the one new event');
  });

  test('the same in the other formats: each row stands for itself', async () => {
    const args = ['events', '--follow', '--from=-1'];
    const [json, yaml, name] = [
      start([...args, '-o', 'json'], env()),
      start([...args, '-o', 'yaml'], env()),
      start([...args, '-o', 'name'], env()),
    ];
    await Promise.all([json.says(/\n/), yaml.says(/status: applied\n/), name.says(/\n/)]);
    for (const each of [json, yaml, name]) each.child.kill('SIGTERM');
    assert.equal((JSON.parse((await json.ended).out) as { subject: string }).subject, 'service/shop/c-0');
    assert.match((await yaml.ended).out, /^---\noffset: [0-9]+\n/);
    assert.equal((await name.ended).out, 'service/shop/c-0\n');
  });

  test('events --follow lives through a restart of the server, and misses nothing', async () => {
    const follow = start(['events', '--follow', '-o', 'name', '--type', 'service.*'], {
      env: { TENDRIL_SERVER: server.api },
    });
    // JSON, YAML and names have no head: the first row tells that it listens.
    for (let n = 0; follow.out() === ''; n++) {
      await append(1, `d${n}`);
      await sleep(100);
    }
    await server.stop();
    await follow.says(/the server is gone; trying again/);
    const { adminPort } = server;
    server = await serve(['--workers', '0', '--data', data, '--admin', `127.0.0.1:${adminPort}`]);
    await append(3, 'e');
    await follow.says(/service\/shop\/e-2\n/);
    follow.child.kill('SIGINT');
    const { code, out, err } = await follow.ended;
    assert.equal(code, 0);
    assert.match(err, /the server is back/);
    const seen = out.trimEnd().split('\n');
    assert.equal(new Set(seen).size, seen.length, 'no row twice');
    assert.deepEqual(seen.slice(-3), ['service/shop/e-0', 'service/shop/e-1', 'service/shop/e-2']);
  });

  test('events --follow without a server is an error at once', async () => {
    assertRefused(
      await tendril(['events', '--follow', '--server', 'http://127.0.0.1:1']),
      'SERVER_UNREACHABLE',
      'tendril serve',
    );
  });

  test('Ctrl-C in a command that only waits ends it at once', async () => {
    const silent = createServer();
    const asked = once(silent, 'connection');
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    try {
      const waiting = start(['proxies', '--server', `http://127.0.0.1:${portOf(silent)}`]);
      await asked;
      waiting.child.kill('SIGINT');
      const { code, out, err } = await waiting.ended;
      assert.deepEqual([code, out, err], [130, '', '']);
    } finally {
      silent.close();
    }
  });

  test('serve started nothing that outlives it, and has no child with --workers 0', () => {
    assert.deepEqual(descendants(server.pid), []);
  });
});
