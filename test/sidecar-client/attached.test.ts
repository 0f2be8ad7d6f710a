/** What an application does with its client: registers itself, calls over HTTP and gRPC, and ends it all with one `close`. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { createClient } from '../../src/sidecar-client/index.ts';
import { until } from '../cli/support/tendril.ts';
import { serveHere } from '../delta-xds/support/serve-here.ts';
import { startHttpBackend } from '../support/backends.ts';
import { codeOf } from './fields/world.ts';

interface EndpointItem {
  readonly id: string;
  readonly labels?: Readonly<Record<string, string>>;
}

test('one client registers itself, is called by name over HTTP and gRPC targets, and close takes all of it back', async (t) => {
  const here = await serveHere(t, 1);
  const api = `http://127.0.0.1:${here.server.admin.port}`;
  const backend = await startHttpBackend({ id: 'me' });
  t.after(() => backend.close());
  const client = await createClient({
    addresses: [`127.0.0.1:${here.port}`],
    admin: [api],
    node: { service: 'svc-0', namespace: 'shop', id: 'svc-0-1', labels: { v: '2' } },
  });
  t.after(() => client.close());
  const endpoints = async (): Promise<readonly EndpointItem[]> => {
    const answer = await fetch(`${api}/v1/services/shop/svc-0`);
    return ((await answer.json()) as { readonly endpoints: readonly EndpointItem[] }).endpoints;
  };

  await fetch(`${api}/v1/services/shop/svc-0/endpoints/svc-0-1?wait=applied&timeout=60s`, { method: 'DELETE' });
  assert.deepEqual(await endpoints(), []);
  const registration = client.register({ port: { 80: backend.port }, endpoint: 'me', leaseMs: 3_000 });
  const [me] = await until(
    async () => {
      const found = await endpoints();
      return found.length === 1 ? found : undefined;
    },
    () => JSON.stringify(registration.state),
  );
  assert.deepEqual([me?.id, me?.labels], ['me', { v: '2' }]);
  assert.throws(() => client.register({ port: 0 }), { code: 'REGISTER_OPTIONS' });

  const answer = await until(
    async () => {
      const given = await client.fetch('http://svc-0.shop/').catch(() => undefined);
      return given?.status === 200 ? given : undefined;
    },
    () => 'no answer',
  );
  assert.equal(answer.headers.get('x-backend'), 'me');
  await answer.arrayBuffer();
  assert.equal((await client.dispatcher()).stats().calls, 0);
  assert.equal(await client.dispatcher(), await client.dispatcher());
  assert.equal(await codeOf(client.fetch('http://nobody.shop/')), 'CALL_UNKNOWN_HOST');

  // A name that was taken back is no longer this client's: whoever takes it next keeps it.
  const other = await createClient({ addresses: ['127.0.0.1:9'], node: { service: 'web', namespace: 'shop' } });
  t.after(() => other.close());
  other.registerGrpc({ name: 'attached' })();
  client.registerGrpc({ name: 'attached' });
  await other.close();
  assert.throws(() => client.registerGrpc({ name: 'attached' }), { code: 'CALL_NAME_TAKEN' });
  const stub = new grpc.Client('tendril://attached/svc-0.shop:80', grpc.credentials.createInsecure());
  t.after(() => stub.close());
  const isBound = await new Promise<boolean>((done) => {
    stub.waitForReady(Date.now() + 60_000, (error) => done(error === undefined || error === null));
  });
  assert.equal(isBound, true);

  await client.close();
  assert.equal(registration.state.is, 'ended');
  assert.deepEqual(await endpoints(), []);
  assert.throws(() => client.register({ port: 80 }), { code: 'SIDECAR_CLOSED' });
  assert.throws(() => client.registerGrpc({ name: 'later' }), { code: 'SIDECAR_CLOSED' });
  assert.equal(await codeOf(client.fetch('http://svc-0.shop/')), 'SIDECAR_CLOSED');
  assert.equal(await codeOf(client.dispatcher()), 'SIDECAR_CLOSED');
});

test('a call that never ends does not keep the client open: it is cut after graceMs', async (t) => {
  const here = await serveHere(t, 0);
  const backend = await startHttpBackend({ id: 'slow' });
  t.after(() => backend.close());
  const post = await fetch(`http://127.0.0.1:${here.server.admin.port}/v1/events?wait=applied&timeout=60s`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      events: [
        {
          type: 'service.registered',
          data: { namespace: 'shop', name: 'slow', ports: [{ port: 80, protocol: 'http' }] },
        },
        {
          type: 'endpoint.registered',
          data: { namespace: 'shop', service: 'slow', id: 'a', address: '127.0.0.1', ports: { 80: backend.port } },
        },
      ],
    }),
  });
  assert.equal(post.status, 200);
  const client = await createClient({
    addresses: [`127.0.0.1:${here.port}`],
    node: { service: 'web', namespace: 'shop', id: 'web-1' },
  });
  t.after(() => client.close());
  const call = codeOf(client.fetch('http://slow.shop/?delay=1500'));
  await until(
    async () => ((await client.dispatcher()).stats().calls === 1 ? true : undefined),
    () => 'the call does not run',
  );
  await client.close({ graceMs: 50 });
  assert.equal(await call, 'SIDECAR_CLOSED');
});

test('undici is not loaded before the first call', async () => {
  const index = new URL('../../src/sidecar-client/index.js', import.meta.url).href;
  const script = `
    const { createClient } = await import(${JSON.stringify(index)});
    const client = await createClient({ addresses: ['127.0.0.1:9'], admin: ['http://127.0.0.1:9'], node: { service: 'app', namespace: 'shop' } });
    client.service('cart.shop');
    client.register({ port: 80 });
    client.registerGrpc();
    const { createRequire } = await import('node:module');
    const has = () => Object.keys(createRequire(${JSON.stringify(index)}).cache).some((file) => file.includes('/node_modules/undici/'));
    const before = has();
    await client.dispatcher();
    console.log(before, has());
    process.exit();
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(stdout.trim(), 'false true');
});
