/** A walk through the commands against a running `serve`, as an operator would (issue 3, section 6). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse as parseYaml } from 'yaml';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';

const CLI = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tendril-cli-'));
const file = join(folder, 'mesh.yaml');
let server: ChildProcess;
let api = '';
let client: SidecarClient;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const tendril = async (...args: string[]): Promise<Ran> => {
  const child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, TENDRIL_SERVER: api } });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString('utf8');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
};

const ok = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await tendril(...args);
  assert.equal(code, 0, `tendril ${args.join(' ')}: ${err}`);
  return out;
};

const DOCUMENTS = `
apiVersion: tendril.dev/v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  ports: [{port: 9080, protocol: http}]
  endpoints: [{id: r1, address: 127.0.0.1, labels: {version: v1}}]
---
apiVersion: tendril.dev/v1
kind: Route
metadata: {name: reviews, namespace: shop}
spec: {timeout: 2s}
`;

before(async () => {
  writeFileSync(file, DOCUMENTS);
  server = spawn(
    process.execPath,
    [
      CLI,
      'serve',
      '--workers',
      '0',
      '--log',
      'memory',
      '--xds',
      '127.0.0.1:0',
      '--admin',
      '127.0.0.1:0',
      '--log-level',
      'error',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  server.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8');
  });
  while (!said.includes('tendril is ready')) {
    assert.equal(server.exitCode, null, 'serve ended');
    await new Promise((next) => setTimeout(next, 20));
  }
  api = /API (http:\S+?),/.exec(said)?.[1] ?? '';
  const xds = /xDS 127\.0\.0\.1:([0-9]+)/.exec(said)?.[1];
  client = connectSidecar({
    addresses: [{ host: '127.0.0.1', port: Number(xds) }],
    node: { id: 'web-1', cluster: 'web.shop' },
  });
});

after(async () => {
  await client?.close();
  server?.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

describe('the way of an operator', { concurrency: false }, () => {
  test('validate, apply, get: offline check, then one atomic batch, then what the server has', async () => {
    assert.match(await ok('validate', '-f', file), /2 good documents.*0 errors/);
    const applied = await ok('apply', '-f', file, '-m', 'first version');
    assert.match(applied, /Route\/shop\/reviews\s+created/);
    assert.match(await ok('apply', '-f', file), /Route\/shop\/reviews\s+unchanged/);
    const stored = parseYaml(await ok('get', 'route/shop/reviews', '-o', 'yaml')) as {
      spec?: { timeout?: string };
      document?: { spec: { timeout: string } };
    };
    assert.equal((stored.document ?? stored).spec?.timeout, '2s');
    assert.match(await ok('get', 'services'), /reviews\.shop\s+9080\/http\s+1\s/);
  });

  test('a sidecar asks; proxies, proxy, why and graph tell what it holds, of how many, and why', async () => {
    assert.equal(await client.hold('reviews.shop:9080'), true);
    assert.match(await ok('apply', '-f', file, '--wait', 'acked'), /unchanged/);
    const listed = JSON.parse(await ok('proxies', '-o', 'json')) as {
      proxies: { id: string; services: number; of: number }[];
    };
    assert.deepEqual(
      listed.proxies.map(({ id, services, of }) => [id, services, of]),
      [['web-1', 1, 1]],
    );
    assert.match(await ok('proxy', 'web-1'), /cds\/reviews\.shop:9080\s+acked/);
    let why = '';
    for (let attempt = 0; attempt < 100 && !/edge web\.shop -> reviews\.shop:9080/.test(why); attempt++) {
      why = await ok('why', 'web-1', 'vhds/outbound/reviews.shop:9080'); // the edge follows through the log
    }
    assert.match(why, /edge web\.shop -> reviews\.shop:9080/);
    assert.match(why, /Service\/shop\/reviews\s+event [0-9]+/);
    assert.match(why, /Route\/shop\/reviews\s+event [0-9]+.*first version.*mesh\.yaml:/);
    assert.match(await ok('graph', 'web.shop'), /web\.shop -> reviews\.shop:9080\s+active\s+learned/);
  });

  test('events, check, version, bootstrap', async () => {
    assert.match(await ok('events', '--type', 'dependency.observed'), /edge\/web\.shop\/reviews\.shop:9080/);
    assert.match(await ok('check'), /all checks passed/);
    assert.match(await ok('version'), /^tendril [0-9]/);
    const made = await ok(
      'bootstrap',
      'envoy',
      '--service',
      'web.shop',
      '--xds',
      '127.0.0.1:18000',
      '--admin-port',
      '19000',
    );
    const bootstrap = JSON.parse(made) as { node: { id: string; metadata: { service: string } } };
    assert.equal(bootstrap.node.metadata.service, 'web');
  });

  test('delete', async () => {
    assert.match(await ok('delete', 'route/shop/reviews', '-m', 'no longer'), /Route\/shop\/reviews/);
    const { code, err } = await tendril('get', 'route/shop/reviews');
    assert.equal(code, 1);
    assert.match(err, /DOCUMENT_UNKNOWN/);
  });
});

describe('bad input gets code, place and remedy', () => {
  test('a wrong command, a wrong option, a missing word', async () => {
    for (const [args, words] of [
      [['aply'], /USAGE.*apply/s],
      [['apply', '--fil', 'x'], /USAGE.*--file/s],
      [['why', 'web-1'], /USAGE.*why/s],
      [['get', 'rout/x'], /USAGE|not a kind/],
    ] as const) {
      const { code, err } = await tendril(...args);
      assert.equal(code, 1, args.join(' '));
      assert.match(err, words);
    }
  });

  test('a document with errors: file, line, column; nothing is applied', async () => {
    const bad = join(folder, 'bad.yaml');
    writeFileSync(
      bad,
      `${DOCUMENTS}---\napiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: other, namespace: shop}\nspec:\n  tiemout: 2s\n`,
    );
    const { code, err } = await tendril('apply', '-f', bad);
    assert.equal(code, 1);
    assert.match(err, /bad\.yaml:[0-9]+:[0-9]+.*E101.*did you mean timeout/s);
    assert.equal((await tendril('get', 'route/shop/other')).code, 1);
  });

  test('an unreachable server and an unknown sidecar', async () => {
    const away = await tendril('proxies', '--server', 'http://127.0.0.1:1');
    assert.equal(away.code, 1);
    assert.match(away.err, /SERVER_UNREACHABLE.*tendril serve/s);
    const unknown = await tendril('proxy', 'nobody');
    assert.equal(unknown.code, 1);
    assert.match(unknown.err, /PROXY_UNKNOWN/);
  });
});
