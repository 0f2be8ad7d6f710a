/** Every field that docs/calls.md says the gRPC client honours: `grpc: <field>: what is seen`. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { portOf } from '../../support/ports.ts';
import { ECHO_PATHS, type GrpcBackend } from '../../support/stream-backends.ts';
import { grpcServers, type Servers, type World, world } from './world.ts';

let servers: Servers<GrpcBackend>;
before(async () => {
  servers = await grpcServers();
});
after(() => servers.close());

const all = (): { at: number }[] => [servers.a, servers.b, servers.c].map(({ port }) => ({ at: port }));
const upstream = (spec: string): string => `kind: Upstream\nmetadata: {name: echo, namespace: shop}\nspec: ${spec}`;
const route = (spec: string): string => `kind: Route\nmetadata: {name: echo, namespace: shop}\nspec: ${spec}`;
const V1_V2 = upstream('{subsets: {v1: {labels: {v: "1"}}, v2: {labels: {v: "2"}}}}');
const subsets = (): { at: number; labels: Record<string, string> }[] => [
  { at: servers.a.port, labels: { v: '1' } },
  { at: servers.b.port, labels: { v: '2' } },
];
const withRule = (t: TestContext, match: string): World =>
  world(t, {
    yaml: `${V1_V2}\n---\n${route(`{to: {v1: {}}, rules: {r: {match: ${match}, to: {v2: {}}}}}`)}`,
    endpoints: subsets(),
  });
const failing = async (server: GrpcBackend, code: number, run: () => Promise<void>): Promise<void> => {
  server.fail(code);
  try {
    await run();
  } finally {
    server.fail(undefined);
  }
};
/** Connections are opened by calls: until all endpoints have theirs, calls go to those that do. */
const warm = async (w: World, count: number): Promise<void> => {
  const seen = new Set<string>();
  for (let call = 0; call < 200 && seen.size < count; call++) seen.add(await w.grpc());
  assert.equal(seen.size, count);
};

test('grpc: to.T.weight: 90 to 10', async (t) => {
  const w = world(t, {
    yaml: `${V1_V2}\n---\n${route('{to: {v1: {weight: 90}, v2: {weight: 10}}}')}`,
    endpoints: subsets(),
  });
  const { a = 0, b = 0 } = await w.many(300, () => w.grpc());
  assert.equal(a + b, 300);
  assert.ok(b >= 12 && b <= 55, `${b} of 300`);
});

test('grpc: rules, order: the lower order is tried first', async (t) => {
  const grpc = '{service: tendril.test.Echo}';
  const rules = `{x: {order: 1, match: {grpc: ${grpc}}, to: {v1: {}}}, y: {order: -1, match: {method: POST}, to: {v2: {}}}}`;
  const w = world(t, { yaml: `${V1_V2}\n---\n${route(`{to: {v1: {}}, rules: ${rules}}`)}`, endpoints: subsets() });
  assert.equal(await w.grpc(), 'b');
});

test('grpc: match.path: the path is /<service>/<method>', async (t) => {
  assert.equal(await withRule(t, '{path: {prefix: /tendril.test.Echo}}').grpc(), 'b');
  assert.equal(await withRule(t, '{path: {prefix: /tendril.test}}').grpc(), 'a');
});

test('grpc: match.method: calls are POST', async (t) => {
  assert.equal(await withRule(t, '{method: POST}').grpc(), 'b');
  assert.equal(await withRule(t, '{method: GET}').grpc(), 'a');
});

test('grpc: match.headers.H: metadata of the call decides', async (t) => {
  const w = withRule(t, '{headers: {x-beta: "1"}}');
  assert.deepEqual([await w.grpc({ metadata: { 'x-beta': '1' } }), await w.grpc()], ['b', 'a']);
});

test('grpc: match.query.Q: a call has none', async (t) => {
  assert.equal(await withRule(t, '{query: {beta: "1"}}').grpc(), 'a');
});

test('grpc: match.grpc: service and method', async (t) => {
  assert.equal(await withRule(t, '{grpc: {service: tendril.test.Echo, method: Unary}}').grpc(), 'b');
  assert.equal(await withRule(t, '{grpc: {service: tendril.test.Echo, method: Bidi}}').grpc(), 'a');
});

test('grpc: match.port: only that port of the service', async (t) => {
  const w = withRule(t, '{port: 81}');
  assert.equal(await w.grpc({ path: `echo.shop:81${ECHO_PATHS.unary}` }), 'b');
  assert.equal(await w.grpc(), 'a');
});

test('grpc: timeout: the call ends with DEADLINE_EXCEEDED', async (t) => {
  // It takes connections and says nothing.
  const silent = createServer();
  await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
  const sockets: Socket[] = [];
  silent.on('connection', (socket) => sockets.push(socket));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const w = world(t, { yaml: route('{timeout: 50ms}'), endpoints: [{ at: portOf(silent) }] });
  const later = sleep(50_000, 'the call waits on', { ref: false });
  assert.equal(await Promise.race([w.grpc({ deadlineMs: 60_000 }), later]), 'DEADLINE_EXCEEDED');
});

test('grpc: retry.attempts: so many further tries', async (t) => {
  const retry = (attempts: number): string => route(`{retry: {attempts: ${attempts}, when: {grpc: [internal]}}}`);
  await failing(servers.a, status.INTERNAL, async () => {
    const none = world(t, { yaml: retry(0), endpoints: all().slice(0, 2) });
    assert.ok(((await none.many(20, () => none.grpc())).INTERNAL ?? 0) > 0);
    const two = world(t, { yaml: retry(2), endpoints: all().slice(0, 2) });
    await two.grpc();
    assert.deepEqual(await two.many(12, () => two.grpc()), { b: 12 });
  });
});

test('grpc: retry.when: the statuses that are named, no others', async (t) => {
  const w = world(t, {
    yaml: route('{retry: {attempts: 2, when: {grpc: [resource-exhausted]}}}'),
    endpoints: all().slice(0, 2),
  });
  await failing(servers.a, status.RESOURCE_EXHAUSTED, async () => {
    await w.grpc();
    assert.deepEqual(await w.many(12, () => w.grpc()), { b: 12 });
  });
  await failing(servers.a, status.INTERNAL, async () => {
    assert.ok(((await w.many(20, () => w.grpc())).INTERNAL ?? 0) > 0);
  });
});

test('grpc: subsets.S.labels: only endpoints with these labels', async (t) => {
  const w = world(t, { yaml: `${V1_V2}\n---\n${route('{to: {v2: {}}}')}`, endpoints: subsets() });
  assert.deepEqual(await w.many(10, () => w.grpc()), { b: 10 });
});

test('grpc: lb: round robin goes by turns', async (t) => {
  const w = world(t, { yaml: upstream('{lb: {roundRobin: {}}}'), endpoints: all() });
  await warm(w, 3);
  assert.deepEqual(await w.many(30, () => w.grpc()), { a: 10, b: 10, c: 10 });
});

test('grpc: hash: equal keys go to one endpoint', async (t) => {
  const w = world(t, { yaml: upstream('{lb: {maglev: {}}, hash: [{header: x-user}]}'), endpoints: all() });
  const users = new Set<string>();
  for (let user = 0; user < 12; user++) {
    const seen = await w.many(3, () => w.grpc({ metadata: { 'x-user': `u${user}` } }));
    assert.equal(Object.keys(seen).length, 1, JSON.stringify(seen));
    users.add(Object.keys(seen)[0] ?? '');
  }
  assert.ok(users.size > 1);
});

test('grpc: locality.zoneAware: calls stay in the own zone', async (t) => {
  const endpoints = ['z1', 'z2'].map((zone, index) => ({ at: all()[index]?.at ?? 0, locality: { region: 'r', zone } }));
  const w = world(t, { endpoints, zone: 'z2' });
  assert.deepEqual(await w.many(12, () => w.grpc()), { b: 12 });
});

test('grpc: panicPercent: 0 fails where nobody is well, above it calls go to the ill', async (t) => {
  const endpoints = [{ at: servers.a.port, health: 'unhealthy' as const }];
  assert.equal(await world(t, { yaml: upstream('{panicPercent: 0}'), endpoints }).grpc(), 'UNAVAILABLE');
  assert.equal(await world(t, { yaml: upstream('{panicPercent: 50}'), endpoints }).grpc(), 'a');
});

test('grpc: limits.requests: more at a time fail with UNAVAILABLE', async (t) => {
  const w = world(t, { yaml: upstream('{limits: {requests: 2}}'), endpoints: all().slice(0, 1) });
  await w.grpc();
  const answers = await Promise.all(Array.from({ length: 5 }, () => w.grpc()));
  assert.equal(answers.filter((answer) => answer === 'UNAVAILABLE').length, 3, String(answers));
});

const BUDGET = route('{retry: {attempts: 1, when: {grpc: [internal]}}}');

test('grpc: limits.minRetries: with none allowed the call ends with UNAVAILABLE', async (t) => {
  const yaml = `${upstream('{limits: {minRetries: 0, retryPercent: 0}}')}\n---\n${BUDGET}`;
  const w = world(t, { yaml, endpoints: all().slice(0, 2) });
  await failing(servers.a, status.INTERNAL, async () => {
    const seen = await w.many(20, () => w.grpc());
    assert.ok((seen.UNAVAILABLE ?? 0) > 0, JSON.stringify(seen));
    assert.equal(seen.INTERNAL, undefined);
  });
});

/** Endpoints `a` and `b`, of which `a` fails with a status. */
const ejecting = async (
  t: TestContext,
  outlier: string,
  code: number,
  run: (w: World) => Promise<void>,
): Promise<void> => {
  const yaml = `${upstream(`{lb: {roundRobin: {}}, outlier: ${outlier}}`)}\n---\n${route('{retry: {attempts: 0}}')}`;
  const w = world(t, { yaml, endpoints: all().slice(0, 2) });
  await warm(w, 2);
  await failing(servers.a, code, () => run(w));
};

test('grpc: outlier.consecutive5xx: out after so many in a row, by the status that Envoy makes of it', (t) =>
  ejecting(t, '{consecutive5xx: 2, consecutiveGateway: 0}', status.INTERNAL, async (w) => {
    assert.deepEqual(await w.many(12, () => w.grpc()), { INTERNAL: 2, b: 10 });
  }));

test('grpc: outlier.consecutiveGateway: out after so many UNAVAILABLE in a row', (t) =>
  ejecting(t, '{consecutive5xx: 0, consecutiveGateway: 3}', status.UNAVAILABLE, async (w) => {
    assert.deepEqual(await w.many(12, () => w.grpc()), { UNAVAILABLE: 3, b: 9 });
  }));

test('grpc: outlier.ejectTime: in again after that', (t) =>
  ejecting(t, '{consecutive5xx: 1, ejectTime: 10s, interval: 1s}', status.INTERNAL, async (w) => {
    await w.many(4, () => w.grpc());
    w.pass(9_000);
    assert.deepEqual(await w.many(6, () => w.grpc()), { b: 6 });
    w.pass(2_000);
    assert.equal((await w.many(4, () => w.grpc())).INTERNAL, 1);
  }));

test('grpc: outlier.interval: who may come back is looked for so often', (t) =>
  ejecting(t, '{consecutive5xx: 1, ejectTime: 1s, interval: 20s}', status.INTERNAL, async (w) => {
    w.pass(1);
    await w.many(4, () => w.grpc());
    w.pass(5_000);
    assert.deepEqual(await w.many(6, () => w.grpc()), { b: 6 });
    w.pass(20_000);
    assert.equal((await w.many(4, () => w.grpc())).INTERNAL, 1);
  }));

test('grpc: outlier.maxPercent: never more than that share', async (t) => {
  const yaml = `${upstream('{lb: {roundRobin: {}}, outlier: {consecutive5xx: 1, maxPercent: 40}}')}\n---\n${route('{retry: {attempts: 0}}')}`;
  const w = world(t, { yaml, endpoints: all() });
  await warm(w, 3);
  await failing(servers.a, status.INTERNAL, () =>
    failing(servers.b, status.INTERNAL, async () => {
      await w.many(6, () => w.grpc());
      const seen = await w.many(8, () => w.grpc());
      assert.deepEqual([seen.INTERNAL, seen.c], [4, 4]);
    }),
  );
});

test("grpc: outlier: a call that outlasts the route's time-out counts, one that outlasts the caller's deadline does not", async (t) => {
  const server = new Server();
  const bytes = (value: Buffer): Buffer => value;
  const never = {
    path: ECHO_PATHS.unary,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
  server.addService({ never }, { never: () => undefined });
  const bind = (): Promise<number> =>
    new Promise((done, fail) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? done(port) : fail(error),
      ),
    );
  t.after(() => server.forceShutdown());
  // A lone endpoint is never ejected.
  const endpoints = [{ at: await bind() }, { at: await bind() }];
  const ejectionsAfter = async (timeout: string, deadlineMs: number): Promise<number | undefined> => {
    const outlier = upstream('{outlier: {consecutive5xx: 1, maxPercent: 100}}');
    const w = world(t, { yaml: `${outlier}\n---\n${route(`{timeout: ${timeout}}`)}`, endpoints });
    assert.equal(await w.grpc({ deadlineMs }), 'DEADLINE_EXCEEDED');
    // The balancer hears of the end after the caller.
    await sleep(20);
    return w.caller.core.cluster('echo.shop:80')?.stats().ejections;
  };
  assert.equal(await ejectionsAfter('10s', 300), 0);
  assert.equal(await ejectionsAfter('300ms', 10_000), 1);
});
