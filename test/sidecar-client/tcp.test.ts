/** TCP services through a handle, with a real control plane: no virtual host answers them, their service port is their cluster. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ClientOptions, createClient, type Endpoint, type TendrilClient } from '../../src/sidecar-client/index.ts';
import { until } from '../cli/support/tendril.ts';
import { type ServerHere, serveHere } from '../delta-xds/support/serve-here.ts';
import { freePort } from '../support/ports.ts';

const post = async ({ server }: ServerHere, events: readonly unknown[]): Promise<void> => {
  const answer = await fetch(`http://127.0.0.1:${server.admin.port}/v1/events?wait=applied`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ events }),
  });
  assert.equal(answer.status, 200, await answer.text());
};

const endpoint = (id: string, port: number) => ({
  type: 'endpoint.registered',
  data: { namespace: 'shop', service: 'db', id, address: '127.0.0.1', ports: { 5432: port } },
});

const DB = {
  type: 'service.registered',
  data: { namespace: 'shop', name: 'db', ports: [{ port: 5432, protocol: 'tcp' }] },
};

const connect = async (t: TestContext, port: number, more: Partial<ClientOptions> = {}): Promise<TendrilClient> => {
  const client = await createClient({
    addresses: [`127.0.0.1:${port}`],
    node: { service: 'web', namespace: 'shop', id: 'web-1' },
    ...more,
  });
  t.after(() => client.close());
  return client;
};

const portsOf = (endpoints: readonly Endpoint[]): string => endpoints.map(({ port }) => port).join();

const sees = (seen: readonly string[], what: string): Promise<true> =>
  until(
    () => (seen.at(-1) === what ? true : undefined),
    () => `${what}: ${JSON.stringify(seen)}`,
  );

test('ready, endpoints, pick and watch of a TCP port follow the service: it changes, goes, and comes back', async (t) => {
  const here = await serveHere(t, 0);
  await post(here, [DB, endpoint('one', 9001)]);
  const client = await connect(t, here.port);
  const db = client.service('db.shop:5432');
  assert.equal(db.pick(), 'no-cluster');
  assert.equal(await db.ready(), true);
  assert.equal(portsOf(await db.endpoints()), '9001');
  const picked = db.pick();
  if (typeof picked === 'string') assert.fail(picked);
  assert.equal(picked.endpoint.port, 9001);
  picked.release({ end: 'answered', status: 200 }, performance.now());
  assert.equal(await client.service('db.shop:5433').ready(), false);

  const seen: string[] = [];
  const end = db.watch((endpoints) => seen.push(portsOf(endpoints)));
  t.after(end);
  await sees(seen, '9001');
  await post(here, [endpoint('two', 9002)]);
  await sees(seen, '9001,9002');
  await post(here, [{ type: 'service.deregistered', data: { namespace: 'shop', name: 'db' } }]);
  await sees(seen, '');
  assert.equal(await db.ready(), false);
  assert.equal(typeof db.pick(), 'string');
  // Endpoints are registered apart from their service: they are there again with it.
  await post(here, [DB]);
  await sees(seen, '9001,9002');
  assert.deepEqual(seen, ['9001', '9001,9002', '', '9001,9002']);
  assert.equal(await db.ready(), true);
});

test('a watch that begins before the service exists sees it come', async (t) => {
  const here = await serveHere(t, 0);
  const client = await connect(t, here.port);
  const seen: string[] = [];
  t.after(client.service('db.shop:5432').watch((endpoints) => seen.push(portsOf(endpoints))));
  assert.equal(await client.service('db.shop:5432').ready(), false);
  await post(here, [DB, endpoint('one', 9001)]);
  await sees(seen, '9001');
});

test('one that is denied is answered like one that does not exist', async (t) => {
  const here = await serveHere(t, 0);
  await post(here, [
    DB,
    endpoint('one', 9001),
    { type: 'dependency.denied', data: { from: 'web.shop', to: 'db.shop' } },
  ]);
  const client = await connect(t, here.port);
  const db = client.service('db.shop:5432');
  assert.equal(await db.ready(), false);
  assert.equal(typeof db.pick(), 'string');
});

test('K1: from the cache on disk while no control plane is there', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-tcp-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const here = await serveHere(t, 0);
  await post(here, [DB, endpoint('one', 9001)]);
  const before = await connect(t, here.port, { cacheDir: dir });
  await before.prefetch(['db.shop:5432']);
  await before.close();
  const client = await connect(t, await freePort(), { cacheDir: dir, timeoutMs: 1_000 });
  const db = client.service('db.shop:5432');
  assert.equal(await db.ready(), true);
  assert.equal(portsOf(await db.endpoints()), '9001');
  assert.notEqual(typeof db.pick(), 'string');
});
