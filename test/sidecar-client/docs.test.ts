/** The examples of docs/client.md, docs/calls.md and docs/agent.md run as they stand, but for addresses, against a real control plane. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { cleanUp, temporaryFolder, until } from '../cli/support/tendril.ts';
import { serveHere } from '../delta-xds/support/serve-here.ts';
import { startHttpBackend } from '../support/backends.ts';
import { freePort } from '../support/ports.ts';
import { repositoryRoot } from '../support/root.ts';
import { startGrpcBackend } from '../support/stream-backends.ts';

const running = new Set<ChildProcess>();
after(() => {
  for (const child of running) child.kill('SIGKILL');
  cleanUp();
});

/** The example of a page that has these words. */
const exampleOf = (page: string, words: string): string => {
  const text = readFileSync(join(repositoryRoot, 'docs', page), 'utf8');
  const found = [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
  return found.find((code) => code.includes(words)) ?? assert.fail(`${page} has no example with ${words}`);
};

test('each example does what its page says', async (t) => {
  const here = await serveHere(t, 0);
  const admin = `127.0.0.1:${here.server.admin.port}`;
  const [http, grpc, own] = [
    await startHttpBackend({ id: 'pay' }),
    await startGrpcBackend({ id: 'cart' }),
    await freePort(),
  ];
  t.after(() => Promise.all([http.close(), grpc.close()]));
  const service = (name: string, port: number, protocol: string, more: object = {}) => ({
    type: 'service.registered',
    data: {
      namespace: 'shop',
      name,
      ports: [{ port, protocol }, ...(name === 'cart' ? [{ port: 8080, protocol: 'http' }] : [])],
      ...more,
    },
  });
  const endpoint = (of: string, port: number, at: number) => ({
    type: 'endpoint.registered',
    data: { namespace: 'shop', service: of, id: 'a', address: '127.0.0.1', ports: { [port]: at } },
  });
  const events = [
    service('payments', 8080, 'http'),
    endpoint('payments', 8080, http.port),
    service('app', 8080, 'http'),
    service('cart', 7070, 'grpc', { interfaces: [{ name: 'shop.Cart', methods: ['AddItem'], port: 7070 }] }),
    endpoint('cart', 7070, grpc.port),
  ];
  const posted = await fetch(`http://${admin}/v1/events?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  assert.equal(posted.status, 200, await posted.text());

  const start = (code: string) => {
    const file = join(temporaryFolder(), 'example.mjs');
    const entry = new URL('../../src/sidecar-client/index.js', import.meta.url).href;
    writeFileSync(
      file,
      code
        .replaceAll('tendril/sidecar-client', entry)
        .replaceAll('@grpc/grpc-js', import.meta.resolve('@grpc/grpc-js'))
        .replaceAll('127.0.0.1:18000', `127.0.0.1:${here.port}`)
        .replaceAll('127.0.0.1:18001', admin),
    );
    const child = spawn(process.execPath, [file], { timeout: 60_000 });
    running.add(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    const ended = once(child, 'close').then(([status]: (number | null)[]) => {
      running.delete(child);
      assert.equal(status, 0, said);
      return said;
    });
    return { child, said: () => said, ended };
  };

  const agent = start(
    exampleOf('agent.md', 'register(')
      .replaceAll('8080', String(own))
      .replace(`port: ${own}`, `port: { 8080: ${own} }`),
  );
  const [one, call, stub] = [
    start(exampleOf('client.md', 'client.register(')),
    start(exampleOf('calls.md', 'client.fetch(')),
    start(exampleOf('calls.md', 'registerGrpc(')),
  ];
  await until(
    () => (/^registered healthy/m.test(agent.said()) ? true : undefined),
    () => agent.said(),
  );
  agent.child.kill('SIGTERM');
  assert.match(await one.ended, /^200 \{[\s\S]*"backend":"pay"[\s\S]*\ncart\.shop:7070\n$/);
  assert.match(await call.ended, /^200 \{[\s\S]*"bodyLength":4/);
  assert.equal(await stub.ended, 'ready\n');
  assert.match(await agent.ended, /^ended /m);
});
