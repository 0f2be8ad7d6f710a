/** What a request and its answer say to the dispatcher: `query`, and a wait that an answer asks for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { request } from 'undici';
import { VirtualHost } from '../../../src/proto/index.ts';
import { startHttpBackend } from '../../support/backends.ts';
import { portOf } from '../../support/ports.ts';
import { world } from '../fields/world.ts';

const route = (spec: string): string => `kind: Route\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;

test('an answer that asks for a wait is tried again after that, where the route says so', async (t) => {
  let hits = 0;
  const busy = createServer((_, response) => {
    hits += 1;
    response.writeHead(hits === 1 ? 503 : 200, { 'retry-after': '0', 'x-backend': 'x' }).end();
  });
  await once(busy.listen(0, '127.0.0.1'), 'listening');
  t.after(() => busy.close());
  const w = world(t, { endpoints: [{ at: portOf(busy) }] });
  const host = VirtualHost.decode(w.held.virtualHostOf('pay.shop')?.body ?? Buffer.alloc(0));
  const [route] = host.routes;
  const retryPolicy = {
    retryOn: 'gateway-error',
    // Without the header it would wait for half an hour or so.
    retryBackOff: { baseInterval: { seconds: 3_600 }, maxInterval: { seconds: 3_600 } },
    rateLimitedRetryBackOff: { resetHeaders: [{ name: 'Retry-After' }] },
  };
  const routes = [{ ...route, route: { ...route?.route, retryPolicy } }];
  w.held.put('virtualHost', 'pay.shop', VirtualHost.encode({ ...host, routes } as never).finish());
  const late = new Promise<string>((next) => setTimeout(next, 5_000, 'late').unref());
  assert.equal(await Promise.race([w.http(), late]), 'x');
  assert.equal(hits, 2);
});

test('`query` of undici is part of the path, for routes too', async (t) => {
  const yaml = `kind: Upstream
metadata: {name: pay, namespace: shop}
spec: {subsets: {v1: {labels: {v: "1"}}, v2: {labels: {v: "2"}}}}
---
${route('{to: {v1: {}}, rules: {r: {match: {query: {beta: "1"}}, to: {v2: {}}}}}')}`;
  const servers = [await startHttpBackend({ id: 'a' }), await startHttpBackend({ id: 'b' })];
  t.after(() => Promise.all(servers.map((server) => server.close())));
  const endpoints = servers.map(({ port }, index) => ({ at: port, labels: { v: String(index + 1) } }));
  const w = world(t, { yaml, endpoints });
  const { body } = await request('http://pay.shop/x', { dispatcher: w.caller.dispatcher, query: { beta: '1' } });
  const echo = (await body.json()) as { backend: string; path: string };
  assert.deepEqual([echo.backend, echo.path], ['b', '/x?beta=1']);
});
