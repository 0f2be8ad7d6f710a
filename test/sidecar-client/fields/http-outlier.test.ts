/** The fields of `outlier` that docs/calls.md says the HTTP client honours, as http.test.ts. */
import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import type { HttpBackend } from '../../support/backends.ts';
import { httpServers, type Servers, type World, world } from './world.ts';

let servers: Servers<HttpBackend>;
before(async () => {
  servers = await httpServers();
});
after(() => servers.close());

const all = (): { at: number }[] => [servers.a, servers.b, servers.c].map(({ port }) => ({ at: port }));
const route = (spec: string): string => `kind: Route\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
const upstream = (spec: string): string => `kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
const failing = async (server: HttpBackend, status: number, run: () => Promise<void>): Promise<void> => {
  server.fail(status);
  try {
    await run();
  } finally {
    server.fail(undefined);
  }
};

/** Endpoints `a` and `b`, of which `a` fails with a status. */
const ejecting = async (
  t: TestContext,
  outlier: string,
  status: number,
  run: (w: World) => Promise<void>,
): Promise<void> => {
  const yaml = `${upstream(`{lb: {roundRobin: {}}, outlier: ${outlier}}`)}\n---\n${route('{retry: {attempts: 0}}')}`;
  const w = world(t, { yaml, endpoints: all().slice(0, 2) });
  await failing(servers.a, status, () => run(w));
};

test('http: outlier.consecutive5xx: out after so many in a row', (t) =>
  ejecting(t, '{consecutive5xx: 2, consecutiveGateway: 0}', 500, async (w) => {
    assert.deepEqual(await w.many(12, () => w.http()), { 500: 2, b: 10 });
  }));

test('http: outlier.consecutiveGateway: out after so many 502 to 504 in a row', (t) =>
  ejecting(t, '{consecutive5xx: 0, consecutiveGateway: 3}', 503, async (w) => {
    assert.deepEqual(await w.many(12, () => w.http()), { 503: 3, b: 9 });
  }));

test('http: outlier.ejectTime: in again after that', (t) =>
  ejecting(t, '{consecutive5xx: 1, ejectTime: 10s, interval: 1s}', 500, async (w) => {
    await w.many(4, () => w.http());
    w.pass(9_000);
    assert.deepEqual(await w.many(6, () => w.http()), { b: 6 });
    w.pass(2_000);
    assert.equal((await w.many(4, () => w.http()))['500'], 1);
  }));

test('http: outlier.interval: who may come back is looked for so often', (t) =>
  ejecting(t, '{consecutive5xx: 1, ejectTime: 1s, interval: 20s}', 500, async (w) => {
    await w.many(4, () => w.http());
    w.pass(1);
    w.pass(5_000);
    assert.deepEqual(await w.many(6, () => w.http()), { b: 6 });
    w.pass(20_000);
    assert.equal((await w.many(4, () => w.http()))['500'], 1);
  }));

test('http: outlier.maxPercent: never more than that share', async (t) => {
  const yaml = `${upstream('{lb: {roundRobin: {}}, outlier: {consecutive5xx: 1, maxPercent: 40}}')}\n---\n${route('{retry: {attempts: 0}}')}`;
  const w = world(t, { yaml, endpoints: all() });
  await failing(servers.a, 500, () =>
    failing(servers.b, 500, async () => {
      await w.many(6, () => w.http());
      const seen = await w.many(8, () => w.http());
      assert.deepEqual([seen['500'], seen.c], [4, 4]);
    }),
  );
});
