/** What the dispatcher does with bodies, ends and connections; invariants of src/sidecar-client/http/call.ts and try.ts by number. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { after, before, type TestContext, test } from 'node:test';
import { request } from 'undici';
import type { HttpBackend } from '../../support/backends.ts';
import { freePort, portOf } from '../../support/ports.ts';
import { codeOf, httpServers, type Servers, type World, world } from '../fields/world.ts';

let servers: Servers<HttpBackend>;
before(async () => {
  servers = await httpServers();
});
after(() => servers.close());

const listen = async (t: TestContext, server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return portOf(server);
};
const route = (spec: string): string => `kind: Route\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
const running = (w: World): number | undefined => w.caller.core.cluster('pay.shop:80')?.stats().active;
const settled = async (check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 6_000 && !check(); turn++) await new Promise((next) => setTimeout(next, 10));
  assert.ok(check());
};

test('invariant 1: a host that nobody answers, https and a closed dispatcher fail with their codes', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  assert.equal(await w.http('http://nowhere.shop/'), 'CALL_UNKNOWN_HOST');
  assert.equal(await w.http('https://pay.shop/'), 'CALL_UNKNOWN_HOST');
  const nobody = world(t, { endpoints: [] });
  assert.equal(await nobody.http(), 'CALL_NO_ENDPOINT');
  await w.caller.dispatcher.close();
  assert.equal(await w.http(), 'SIDECAR_CLOSED');
});

test('passthrough: hosts outside the mesh are called as they are', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }], passthrough: true });
  assert.equal(await w.http(`http://127.0.0.1:${servers.b.port}/`), 'b');
  assert.equal(await w.http(), 'a');
});

test('maxCalls: above it calls fail, and are counted', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }], maxCalls: 2 });
  const answers = await Promise.all([1, 2, 3].map(() => w.http('/?delay=30')));
  assert.deepEqual([...answers].sort(), ['CALL_OVERFLOW', 'a', 'a']);
  assert.equal(w.caller.dispatcher.stats().overflows, 1);
});

test('the service sees its own name, and a trace context: the one that is there, or a new one', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  const seen = async (headers: Record<string, string>): Promise<Record<string, string>> =>
    ((await (await w.caller.fetch('http://pay.shop/', { headers })).json()) as { headers: Record<string, string> })
      .headers;
  const fresh = await seen({ tracestate: 'x=1' });
  assert.equal(fresh.host, 'pay.shop');
  assert.match(fresh.traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.equal(fresh.tracestate, undefined);
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const kept = await seen({ traceparent: given, tracestate: 'x=1' });
  assert.deepEqual([kept.traceparent, kept.tracestate], [given, 'x=1']);
});

test('invariant 3: a streamed body is sent again while all of it is kept, and not beyond', async (t) => {
  const endpoints = [{ at: servers.a.port }, { at: servers.b.port }];
  const yaml = route('{retry: {attempts: 1, when: {status: [503]}}}');
  servers.a.fail(503);
  t.after(() => servers.a.fail(undefined));
  const put = async (w: World, size: number): Promise<string> => {
    const body = Readable.from([Buffer.alloc(size / 2, 1), Buffer.alloc(size / 2, 2)]);
    const answer = await request('http://pay.shop/', { dispatcher: w.caller.dispatcher, method: 'PUT', body });
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      return String(answer.statusCode);
    }
    assert.equal(((await answer.body.json()) as { bodyLength: number }).bodyLength, size);
    return 'whole';
  };
  const small = world(t, { yaml, endpoints });
  assert.deepEqual(await small.many(8, () => put(small, 1_000)), { whole: 8 });
  const large = world(t, { yaml, endpoints, replayBytes: 1_000 });
  const seen = await large.many(16, () => put(large, 4_000));
  assert.ok((seen['503'] ?? 0) > 0 && (seen.whole ?? 0) > 0, JSON.stringify(seen));
});

test('an answer that nobody reads is held back at the service', async (t) => {
  let written = 0;
  let full: () => void = () => undefined;
  const stalled = new Promise<void>((done) => {
    full = done;
  });
  const server = createServer((_, response) => {
    const chunk = Buffer.alloc(65_536);
    const write = (): void => {
      while (written < 200_000_000 && response.write(chunk)) written += chunk.length;
      full();
      response.once('drain', write);
    };
    write();
  });
  const w = world(t, { endpoints: [{ at: await listen(t, server) }] });
  const answer = await request('http://pay.shop/', { dispatcher: w.caller.dispatcher });
  answer.body.on('error', () => undefined);
  await stalled;
  for (let before = -1; before !== written; ) {
    before = written;
    await new Promise((next) => setTimeout(next, 100));
  }
  assert.ok(written < 50_000_000, `${written} bytes were taken`);
  answer.body.destroy();
  await settled(() => running(w) === 0);
});

test('invariants 1, 2: aborted before, during and after the head, a call releases its pick and its connection', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  for (const path of ['/?delay=2000', '/?chunks=50&gap=50']) {
    const abort = new AbortController();
    const call = w.caller.fetch(`http://pay.shop${path}`, { signal: abort.signal }).then((answer) => answer.text());
    await settled(() => running(w) === 1);
    setTimeout(() => abort.abort(), 60);
    await assert.rejects(call, { name: 'AbortError' });
    await settled(() => running(w) === 0 && w.caller.dispatcher.stats().connections === 0);
  }
  assert.equal(await codeOf(w.caller.fetch('http://pay.shop/', { signal: AbortSignal.abort('no') })), 'no');
});

test('an endpoint that leaves: what runs is finished, its idle connections are closed', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  await w.http();
  const slow = w.http('/?delay=150');
  await settled(() => running(w) === 1);
  assert.equal(w.caller.dispatcher.stats().connections, 1);
  w.held.put('assignment', 'pay.shop:80', new Uint8Array());
  assert.equal(await w.http(), 'CALL_NO_ENDPOINT');
  assert.equal(await slow, 'a');
  await settled(() => w.caller.dispatcher.stats().connections === 0);
});

test('an answer cut in the middle is an error, never tried again', async (t) => {
  let hits = 0;
  const cut = (response: ServerResponse): void => {
    hits += 1;
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  };
  const at = await listen(
    t,
    createServer((_, response) => cut(response)),
  );
  const yaml = route('{retry: {attempts: 3, when: {reset: true}}}');
  const w = world(t, { yaml, endpoints: [{ at }] });
  await assert.rejects(async () => (await w.caller.fetch('http://pay.shop/')).text());
  assert.equal(hits, 1);
  assert.equal(running(w), 0);
});

test('a call that waits for a connection when the dispatcher is destroyed is told so', async (t) => {
  const yaml = 'kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: {limits: {connections: 1}}';
  const w = world(t, { yaml, endpoints: [{ at: servers.a.port }] });
  const calls = [w.http('/?delay=2000'), w.http('/?delay=2000')];
  await settled(() => w.caller.dispatcher.stats().pending === 1 && running(w) === 2);
  await w.caller.dispatcher.destroy();
  assert.equal((await Promise.all(calls)).length, 2);
  assert.equal(running(w), 0);
  assert.equal(
    await codeOf(request(`http://pay.shop:${await freePort()}/`, { dispatcher: w.caller.dispatcher })),
    'SIDECAR_CLOSED',
  );
});

test('what the caller did wrong is neither tried again nor held against the endpoint', async (t) => {
  const outlier = 'spec: {outlier: {consecutive5xx: 1, consecutiveGateway: 1, maxPercent: 100}}';
  const retry = route('{retry: {attempts: 3, when: {reset: true}}}');
  const yaml = `kind: Upstream\nmetadata: {name: pay, namespace: shop}\n${outlier}\n---\n${retry}`;
  const w = world(t, { yaml, endpoints: [{ at: servers.a.port }, { at: servers.b.port }] });
  const { dispatcher } = w.caller;
  const put = (body: string | Readable, headers: Record<string, string> = {}): Promise<string> =>
    codeOf(request('http://pay.shop/', { dispatcher, method: 'PUT', body, headers }));
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('a');
    await new Promise((next) => setTimeout(next, 50));
    throw new Error('mine');
  }
  assert.equal(await put('', { 'x-a': 'bad\nvalue' }), 'UND_ERR_INVALID_ARG');
  assert.equal(await put('abc', { 'content-length': '2' }), 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH');
  assert.equal(await put(Readable.from(broken())), 'Error: mine');
  await settled(() => running(w) === 0);
  assert.equal(w.caller.core.cluster('pay.shop:80')?.stats().ejections, 0);
});

test('invariant 4: a retry that failed makes room in the budget for the next of its call', async (t) => {
  let hits = 0;
  const failing = createServer((_, response) => {
    hits += 1;
    response.writeHead(503).end();
  });
  const upstream =
    'kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: {limits: {minRetries: 1, retryPercent: 0}}';
  const yaml = `${upstream}\n---\n${route('{retry: {attempts: 3, when: {status: [503]}}}')}`;
  const w = world(t, { yaml, endpoints: [{ at: await listen(t, failing) }] });
  assert.equal(await w.http(), '503');
  assert.equal(hits, 4);
  assert.equal(w.caller.core.cluster('pay.shop:80')?.stats().retries, 0);
});

test('passthrough: a call that runs elsewhere is counted, and ended by destroy', async (t) => {
  const at = await listen(
    t,
    createServer(() => undefined),
  );
  const w = world(t, { endpoints: [], passthrough: true });
  const { dispatcher } = w.caller;
  const call = codeOf(request(`http://127.0.0.1:${at}/`, { dispatcher }));
  await new Promise((next) => setTimeout(next, 100));
  assert.equal(dispatcher.stats().calls, 1);
  const reason = Object.assign(new Error('over'), { code: 'OVER' });
  const late = new Promise((next) => setTimeout(next, 60_000, 'late').unref());
  assert.equal(await Promise.race([dispatcher.destroy(reason), late]), undefined);
  assert.equal(await call, 'OVER');
  assert.equal(dispatcher.stats().calls, 0);
});
