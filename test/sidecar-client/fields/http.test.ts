/** Every field that docs/calls.md says the HTTP client honours: `http: <field>: what is seen`. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HttpBackend } from '../../support/backends.ts';
import { freePort } from '../../support/ports.ts';
import { httpServers, type Servers, type World, world } from './world.ts';

let servers: Servers<HttpBackend>;
let dead: number;
before(async () => {
  servers = await httpServers();
  dead = await freePort();
});
after(() => servers.close());

const all = (): { at: number }[] => [servers.a, servers.b, servers.c].map(({ port }) => ({ at: port }));
const V1_V2 =
  'kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: {subsets: {v1: {labels: {v: "1"}}, v2: {labels: {v: "2"}}}';
const subsets = (): { at: number; labels: Record<string, string> }[] => [
  { at: servers.a.port, labels: { v: '1' } },
  { at: servers.b.port, labels: { v: '2' } },
];
const route = (spec: string): string => `kind: Route\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
const upstream = (spec: string): string => `kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
/** What the match takes goes to `b`, all else to `a`. */
const rule = (match: string): string =>
  `${V1_V2}}\n---\n${route(`{to: {v1: {}}, rules: {r: {match: ${match}, to: {v2: {}}}}}`)}`;
const withRule = (t: import('node:test').TestContext, match: string): World =>
  world(t, { yaml: rule(match), endpoints: subsets() });
/** Calls at the same time, whose answers take a while. */
const atOnce = (w: World, count: number, path = '/?delay=60'): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => w.http(path)));
const failing = async (server: HttpBackend, status: number, run: () => Promise<void>): Promise<void> => {
  server.fail(status);
  try {
    await run();
  } finally {
    server.fail(undefined);
  }
};

test('http: to.T.weight: 90 to 10', async (t) => {
  const w = world(t, {
    yaml: `${V1_V2}}\n---\n${route('{to: {v1: {weight: 90}, v2: {weight: 10}}}')}`,
    endpoints: subsets(),
  });
  const { a = 0, b = 0 } = await w.many(300, () => w.http());
  assert.equal(a + b, 300);
  assert.ok(b >= 12 && b <= 55, `${b} of 300`);
});

test('http: rules, order: the lower order is tried first', async (t) => {
  const rules =
    '{x: {order: 1, match: {path: {exact: /p}}, to: {v1: {}}}, y: {order: -1, match: {path: {prefix: /p}}, to: {v2: {}}}}';
  const w = world(t, { yaml: `${V1_V2}}\n---\n${route(`{to: {v1: {}}, rules: ${rules}}`)}`, endpoints: subsets() });
  assert.equal(await w.http('/p'), 'b');
});

test('http: match.path: a prefix takes whole segments', async (t) => {
  const w = withRule(t, '{path: {prefix: /v2}}');
  assert.deepEqual([await w.http('/v2'), await w.http('/v2/x?y'), await w.http('/v20')], ['b', 'b', 'a']);
});

test('http: match.method: only that method', async (t) => {
  const w = withRule(t, '{method: DELETE}');
  assert.deepEqual([await w.http('/', { method: 'DELETE' }), await w.http('/')], ['b', 'a']);
});

test('http: match.headers.H: the header decides', async (t) => {
  const w = withRule(t, '{headers: {x-beta: "1"}}');
  assert.deepEqual([await w.http('/', { headers: { 'X-Beta': '1' } }), await w.http('/')], ['b', 'a']);
});

test('http: match.query.Q: the parameter decides', async (t) => {
  const w = withRule(t, '{query: {beta: "1"}}');
  assert.deepEqual([await w.http('/?beta=1'), await w.http('/?beta=2')], ['b', 'a']);
});

test('http: match.grpc: calls of that method with the content type of gRPC', async (t) => {
  const w = withRule(t, '{grpc: {service: shop.Cart, method: Add}}');
  const grpc = { method: 'POST', headers: { 'content-type': 'application/grpc' }, body: 'x' };
  assert.deepEqual(
    [await w.http('/shop.Cart/Add', grpc), await w.http('/shop.Cart/Add', { ...grpc, headers: {} })],
    ['b', 'a'],
  );
});

test('http: match.port: only that port of the service', async (t) => {
  const w = withRule(t, '{port: 81}');
  assert.deepEqual([await w.http('http://pay.shop:81/'), await w.http('http://pay.shop:80/')], ['b', 'a']);
});

test('http: timeout: the call ends with CALL_TIMEOUT, also in the middle of the answer', async (t) => {
  const w = world(t, { yaml: route('{timeout: 400ms}'), endpoints: all() });
  const ends = ['/?delay=2000', '/?chunks=100&gap=50'].map((path) => w.http(path));
  assert.deepEqual(await Promise.all(ends), ['CALL_TIMEOUT', 'CALL_TIMEOUT']);
  assert.match(await w.http('/'), /^[abc]$/);
});

test('http: idleTimeout: silence ends the call, bytes that come keep it', async (t) => {
  const w = world(t, { yaml: route('{idleTimeout: 600ms}'), endpoints: all() });
  const [silent, slow = ''] = await Promise.all(['/?delay=2000', '/?chunks=8&gap=100'].map((path) => w.http(path)));
  assert.equal(silent, 'CALL_TIMEOUT');
  assert.match(slow, /^[abc]$/);
});

test('http: retry.attempts: so many further tries, elsewhere', async (t) => {
  const bad = [{ at: dead }, { at: await freePort() }];
  const one = world(t, { yaml: route('{retry: {attempts: 1}}'), endpoints: bad });
  assert.equal(await one.http(), 'CALL_FAILED');
  const none = world(t, { yaml: route('{retry: {attempts: 0}}'), endpoints: [{ at: dead }, ...all()] });
  assert.ok(((await none.many(24, () => none.http())).CALL_FAILED ?? 0) > 0);
  const two = world(t, { yaml: route('{retry: {attempts: 2}}'), endpoints: [...bad, { at: servers.a.port }] });
  assert.deepEqual(await two.many(12, () => two.http('/', { method: 'POST', body: 'x' })), { a: 12 });
});

test('http: retry.timeout: a slow try is left for another endpoint', async (t) => {
  servers.a.delay(2_000);
  t.after(() => servers.a.delay(0));
  const before = servers.a.hits();
  const endpoints = [{ at: servers.a.port }, { at: servers.b.port }];
  const w = world(t, {
    yaml: route('{timeout: 60s, retry: {attempts: 5, timeout: 200ms, when: {gateway: true}}}'),
    endpoints,
  });
  while (servers.a.hits() === before) assert.equal(await w.http(), 'b');
});

test('http: retry.when: statuses as said, with the body sent again; others are handed on', async (t) => {
  const w = world(t, { yaml: route('{retry: {attempts: 2, when: {status: [503]}}}'), endpoints: all().slice(0, 2) });
  await failing(servers.a, 503, async () => {
    assert.deepEqual(await w.many(8, () => w.http('/', { method: 'PUT', body: 'body' })), { b: 8 });
  });
  await failing(servers.a, 500, async () => {
    const seen = await w.many(20, () => w.http());
    assert.ok((seen['500'] ?? 0) > 0, JSON.stringify(seen));
  });
});

test('http: subsets.S.labels: only endpoints with these labels', async (t) => {
  const w = world(t, { yaml: `${V1_V2}}\n---\n${route('{to: {v2: {}}}')}`, endpoints: subsets() });
  assert.deepEqual(await w.many(10, () => w.http()), { b: 10 });
});

test('http: lb: round robin goes by turns', async (t) => {
  const w = world(t, { yaml: upstream('{lb: {roundRobin: {}}}'), endpoints: all() });
  assert.deepEqual(await w.many(30, () => w.http()), { a: 10, b: 10, c: 10 });
});

test('http: hash: equal keys go to one endpoint', async (t) => {
  const w = world(t, { yaml: upstream('{lb: {ringHash: {}}, hash: [{header: x-user}]}'), endpoints: all() });
  const users = new Set<string>();
  for (let user = 0; user < 12; user++) {
    const seen = await w.many(3, () => w.http('/', { headers: { 'x-user': `u${user}` } }));
    assert.equal(Object.keys(seen).length, 1, JSON.stringify(seen));
    users.add(Object.keys(seen)[0] ?? '');
  }
  assert.ok(users.size > 1);
});

const zones = (): { at: number; locality: { region: string; zone: string } }[] => [
  { at: servers.a.port, locality: { region: 'r', zone: 'z1' } },
  { at: servers.b.port, locality: { region: 'r', zone: 'z2' } },
];

test('http: locality.zoneAware: calls stay in the own zone, and do not when it is off', async (t) => {
  const near = world(t, { endpoints: zones(), zone: 'z2' });
  assert.deepEqual(await near.many(12, () => near.http()), { b: 12 });
  const far = world(t, { yaml: upstream('{locality: {zoneAware: false}}'), endpoints: zones(), zone: 'z2' });
  assert.ok(((await far.many(24, () => far.http())).a ?? 0) > 0);
});

const ill = (): { at: number; health: 'unhealthy' }[] => [{ at: servers.a.port, health: 'unhealthy' }];

test('http: panicPercent: 0 fails where nobody is well, above it calls go to the ill', async (t) => {
  const strict = world(t, { yaml: upstream('{panicPercent: 0}'), endpoints: ill() });
  assert.equal(await strict.http(), 'CALL_NO_ENDPOINT');
  const brave = world(t, { yaml: upstream('{panicPercent: 50}'), endpoints: ill() });
  assert.equal(await brave.http(), 'a');
});

test('http: limits.connections: further calls wait for a connection', async (t) => {
  const w = world(t, { yaml: upstream('{limits: {connections: 2}}'), endpoints: all().slice(0, 1) });
  const answers = atOnce(w, 6, '/?delay=20');
  await w.http();
  assert.equal(w.caller.dispatcher.stats().connections, 2);
  assert.deepEqual(new Set(await answers), new Set(['a']));
});

test('http: limits.pending: who finds the queue full fails with CALL_OVERFLOW', async (t) => {
  const w = world(t, { yaml: upstream('{limits: {connections: 1, pending: 2}}'), endpoints: all().slice(0, 1) });
  await w.http();
  const answers = await atOnce(w, 6);
  assert.deepEqual([...answers].sort(), ['CALL_OVERFLOW', 'CALL_OVERFLOW', 'CALL_OVERFLOW', 'a', 'a', 'a']);
  assert.equal(w.caller.dispatcher.stats().overflows, 3);
});

test('http: limits.requests: more at a time fail with CALL_OVERFLOW', async (t) => {
  const w = world(t, { yaml: upstream('{limits: {requests: 2}}'), endpoints: all() });
  const answers = await atOnce(w, 5);
  assert.equal(answers.filter((answer) => answer === 'CALL_OVERFLOW').length, 3, String(answers));
});

test('http: limits.perEndpoint: connections to one endpoint', async (t) => {
  const w = world(t, { yaml: upstream('{limits: {perEndpoint: 1}}'), endpoints: all().slice(0, 2) });
  const answers = atOnce(w, 8, '/?delay=20');
  await w.http();
  assert.ok(w.caller.dispatcher.stats().connections <= 2);
  assert.ok((await answers).every((answer) => /^[ab]$/.test(answer)));
});

test('http: limits.requestsPerConnection: then another connection is made', async (t) => {
  const w = world(t, { yaml: upstream('{limits: {requestsPerConnection: 2}}'), endpoints: all().slice(0, 1) });
  const said: (string | null)[] = [];
  for (let index = 0; index < 4; index++) {
    const response = await w.caller.fetch('http://pay.shop/');
    said.push(((await response.json()) as { headers: { connection: string } }).headers.connection);
  }
  assert.deepEqual(said, ['keep-alive', 'close', 'keep-alive', 'close']);
});

const BUDGET = 'retry: {attempts: 1, when: {status: [503]}}';

test('http: limits.minRetries: with none allowed the answer is handed on', async (t) => {
  const yaml = `${upstream('{limits: {minRetries: 0, retryPercent: 0}}')}\n---\n${route(`{${BUDGET}}`)}`;
  const w = world(t, { yaml, endpoints: all().slice(0, 2) });
  await failing(servers.a, 503, async () => assert.ok(((await w.many(16, () => w.http()))['503'] ?? 0) > 0));
});

test('http: limits.retryPercent: a share of the running calls may be retries', async (t) => {
  const yaml = `${upstream('{limits: {minRetries: 0, retryPercent: 100}}')}\n---\n${route(`{${BUDGET}}`)}`;
  const w = world(t, { yaml, endpoints: all().slice(0, 2) });
  await failing(servers.a, 503, async () => assert.deepEqual(await w.many(8, () => w.http()), { b: 8 }));
});
