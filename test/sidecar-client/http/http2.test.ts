/** Calls to a port that speaks HTTP/2: limits, ends and bodies; invariants of src/sidecar-client/http/h2-*.ts by file and number. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, type TestContext, test } from 'node:test';
import { FormData, request } from 'undici';
import type { UpstreamCluster } from '../../../src/sidecar-client/calls/index.ts';
import { H2Pool } from '../../../src/sidecar-client/http/h2-pool.ts';
import type { HttpBackend } from '../../support/backends.ts';
import { SETTINGS } from '../../support/h2-frames.ts';
import { freePort, portOf } from '../../support/ports.ts';
import { codeOf, http2Servers, type Servers, type World, world } from '../fields/world.ts';

const PAY = 'http://pay.shop:82';
let servers: Servers<HttpBackend>;
before(async () => {
  servers = await http2Servers();
});
after(() => servers.close());

const route = (spec: string): string => `kind: Route\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
const upstream = (spec: string): string => `kind: Upstream\nmetadata: {name: pay, namespace: shop}\nspec: ${spec}`;
const cluster = (w: World) => w.caller.core.cluster('pay.shop:82');
const settled = async (check: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 200 && !check(); turn++) await new Promise((next) => setTimeout(next, 10));
  assert.ok(check());
};
const listen = async (t: TestContext, server: Server | Http2Server): Promise<number> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return portOf(server as Server);
};
/** A server whose streams the test answers; `sessions`: connections so far. */
const answering = async (
  t: TestContext,
  answer: (stream: ServerHttp2Stream, session: ServerHttp2Session, number: number) => void,
  settings: Parameters<typeof createServer>[0] = {},
): Promise<{ readonly at: number; readonly sessions: ServerHttp2Session[]; readonly sockets: Socket[] }> => {
  const server = createServer(settings);
  const sessions: ServerHttp2Session[] = [];
  const sockets: Socket[] = [];
  server.on('connection', (socket: Socket) => sockets.push(socket));
  let number = 0;
  server.on('session', (session) => {
    sessions.push(session);
    session.on('error', () => undefined);
    session.on('stream', (stream) => {
      stream.on('error', () => undefined);
      answer(stream, session, ++number);
    });
  });
  return { at: await listen(t, server), sessions, sockets };
};
const ok = (stream: ServerHttp2Stream): void => {
  stream.respond({ ':status': 200, 'x-backend': 'x' });
  stream.end('{}');
};
const atOnce = (w: World, count: number, path = '/'): Promise<string[]> =>
  Promise.all(Array.from({ length: count }, () => w.http(`${PAY}${path}`)));

test('a port that speaks HTTP/2 is called by fetch: authority, headers, bodies, trailers', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  const headers = { 'x-one': 'ä', connection: 'close', host: 'other.shop' };
  const answer = await w.caller.fetch(`${PAY}/path?q=1`, { method: 'POST', body: 'five!', headers: { 'x-one': 'a' } });
  const echo = (await answer.json()) as { path: string; bodyLength: number; headers: Record<string, string> };
  assert.deepEqual([answer.status, echo.path, echo.bodyLength], [200, '/path?q=1', 5]);
  assert.deepEqual([echo.headers[':authority'], echo.headers['x-one']], ['pay.shop:82', 'a']);
  assert.match(echo.headers.traceparent ?? '', /^00-/);
  const form = new FormData();
  form.set('a', 'b');
  const sent = async (body: unknown): Promise<typeof echo> =>
    (await (
      await request(`${PAY}/`, { dispatcher: w.caller.dispatcher, method: 'PUT', body: body as never, headers })
    ).body.json()) as typeof echo;
  const streamed = await sent(Readable.from([Buffer.alloc(100_000), Buffer.alloc(200_000)]));
  assert.deepEqual([streamed.bodyLength, streamed.headers[':authority']], [300_000, 'other.shop']);
  assert.equal((await sent(new Blob(['blob']))).bodyLength, 4);
  assert.match((await sent(form)).headers['content-type'] ?? '', /^multipart\/form-data; boundary=/);
  assert.equal(w.caller.dispatcher.stats().connections, 1);
  const trailing = await answering(t, (stream) => {
    stream.respond({ ':status': 200, 'set-cookie': ['a=1', 'b=2'] }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }));
    stream.end('body');
  });
  const other = world(t, { endpoints: [{ at: trailing.at }] });
  const { body, trailers, headers: got } = await request(`${PAY}/`, { dispatcher: other.caller.dispatcher });
  assert.equal(await body.text(), 'body');
  assert.deepEqual([trailers['x-sum'], got['set-cookie']], ['7', ['a=1', 'b=2']]);
});

test('timeout, idleTimeout and retry.timeout hold as for HTTP/1.1, and the connection goes on', async (t) => {
  const whole = world(t, { yaml: route('{timeout: 80ms}'), endpoints: [{ at: servers.a.port }] });
  assert.equal(await whole.http(`${PAY}/?delay=1000`), 'CALL_TIMEOUT');
  assert.equal(await whole.http(`${PAY}/?chunks=10&gap=100`), 'CALL_TIMEOUT');
  assert.equal(await whole.http(`${PAY}/`), 'a');
  assert.equal(whole.caller.dispatcher.stats().connections, 1);
  const idle = world(t, { yaml: route('{idleTimeout: 150ms}'), endpoints: [{ at: servers.a.port }] });
  assert.equal(await idle.http(`${PAY}/?delay=1000`), 'CALL_TIMEOUT');
  assert.equal(await idle.http(`${PAY}/?chunks=8&gap=30`), 'a');
  servers.a.delay(1_000);
  t.after(() => servers.a.delay(0));
  const yaml = route('{timeout: 5s, retry: {timeout: 60ms, when: {gateway: true}}}');
  const tries = world(t, { yaml, endpoints: [{ at: servers.a.port }, { at: servers.b.port }] });
  assert.deepEqual(await tries.many(6, () => tries.http(`${PAY}/`)), { b: 6 });
});

test('retries and ejection: statuses as said, connections that fail', async (t) => {
  servers.a.fail(503);
  t.after(() => servers.a.fail(undefined));
  const endpoints = [{ at: servers.a.port }, { at: servers.b.port }];
  const w = world(t, { yaml: route('{retry: {attempts: 2, when: {status: [503]}}}'), endpoints });
  assert.deepEqual(await w.many(6, () => w.http(`${PAY}/`, { method: 'PUT', body: 'x' })), { b: 6 });
  const yaml = `${upstream('{lb: {roundRobin: {}}, outlier: {consecutive5xx: 2}}')}\n---\n${route('{retry: {attempts: 0}}')}`;
  const out = world(t, { yaml, endpoints });
  assert.deepEqual(await out.many(12, () => out.http(`${PAY}/`)), { 503: 2, b: 10 });
  const dead = world(t, { endpoints: [{ at: await freePort() }, { at: servers.b.port }] });
  assert.deepEqual(await dead.many(6, () => dead.http(`${PAY}/`)), { b: 6 });
});

test('a port that does not speak HTTP/2 is no connection: the default retry goes elsewhere', async (t) => {
  const old = await listen(
    t,
    createHttpServer((_, response) => response.end()),
  );
  const silent = await listen(t, createTcpServer());
  const w = world(t, { endpoints: [{ at: old }, { at: servers.b.port }] });
  assert.deepEqual(await w.many(4, () => w.http(`${PAY}/`)), { b: 4 });
  const never = world(t, { yaml: route('{timeout: 100ms}'), endpoints: [{ at: silent }] });
  assert.equal(await never.http(`${PAY}/`), 'CALL_TIMEOUT');
});

test('limits.connections: another connection when the first is full, and no more than that; the rest waits', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const server = await answering(t, (stream) => held.push(stream), { settings: { maxConcurrentStreams: 2 } });
  const w = world(t, { yaml: upstream('{limits: {connections: 2}}'), endpoints: [{ at: server.at }] });
  const calls = atOnce(w, 6);
  await settled(() => held.length === 4);
  assert.deepEqual([w.caller.dispatcher.stats().connections, w.caller.dispatcher.stats().pending], [2, 2]);
  held.splice(0).forEach(ok);
  await settled(() => held.length === 2);
  held.forEach(ok);
  assert.deepEqual(await calls, Array(6).fill('x'));
  assert.equal(server.sessions.length, 2);
});

test('limits.perEndpoint and limits.pending: one connection to it, and who finds the queue full fails', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const server = await answering(t, (stream) => held.push(stream), { settings: { maxConcurrentStreams: 1 } });
  const yaml = upstream('{limits: {perEndpoint: 1, pending: 2}}');
  const w = world(t, { yaml, endpoints: [{ at: server.at }] });
  const first = w.http(`${PAY}/`);
  await settled(() => held.length === 1);
  const rest = atOnce(w, 4);
  await settled(() => w.caller.dispatcher.stats().overflows === 2);
  assert.equal(w.caller.dispatcher.stats().connections, 1);
  ok(held[0] as ServerHttp2Stream);
  await settled(() => held.length === 2);
  ok(held[1] as ServerHttp2Stream);
  await settled(() => held.length === 3);
  ok(held[2] as ServerHttp2Stream);
  assert.equal(await first, 'x');
  assert.deepEqual((await rest).sort(), ['CALL_OVERFLOW', 'CALL_OVERFLOW', 'x', 'x']);
});

test('limits.requestsPerConnection: then another connection is made, and the first is closed', async (t) => {
  const seen: number[] = [];
  const server = await answering(t, (stream, session) => {
    seen.push(server.sessions.indexOf(session));
    ok(stream);
  });
  const w = world(t, { yaml: upstream('{limits: {requestsPerConnection: 2}}'), endpoints: [{ at: server.at }] });
  await w.many(5, () => w.http(`${PAY}/`));
  assert.deepEqual(seen, [0, 0, 1, 1, 2]);
  await settled(() => w.caller.dispatcher.stats().connections === 1);
});

test('a refused stream is tried again by default, also with a body; a stream that is reset is not', async (t) => {
  const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR } = constants;
  const server = await answering(t, (stream, _, number) =>
    number === 1 ? stream.close(NGHTTP2_REFUSED_STREAM) : ok(stream),
  );
  const w = world(t, { endpoints: [{ at: server.at }] });
  assert.equal(await w.http(`${PAY}/`, { method: 'POST', body: 'x' }), 'x');
  const cutting = await answering(t, (stream) => stream.close(NGHTTP2_INTERNAL_ERROR));
  const reset = world(t, { endpoints: [{ at: cutting.at }] });
  assert.equal(await reset.http(`${PAY}/`), 'CALL_FAILED');
  assert.equal(cluster(reset)?.stats().active, 0);
});

test('h2-connection 2: after GOAWAY what runs is served, the next call goes over another connection', async (t) => {
  const held: ServerHttp2Stream[] = [];
  const server = await answering(t, (stream, _, number) => (number === 1 ? held.push(stream) : ok(stream)));
  const w = world(t, { endpoints: [{ at: server.at }] });
  const slow = w.http(`${PAY}/`);
  await settled(() => held.length === 1);
  server.sessions[0]?.goaway();
  for (let turn = 0; turn < 200 && server.sessions.length === 1; turn++) assert.equal(await w.http(`${PAY}/`), 'x');
  assert.equal(server.sessions.length, 2);
  ok(held[0] as ServerHttp2Stream);
  assert.equal(await slow, 'x');
  await settled(() => w.caller.dispatcher.stats().connections === 1);
});

test('h2-exchange 3: GOAWAY that ends streams which the caller then gives up: each call ends, the process lives', async (t) => {
  for (const lastStreamId of [0, 1]) {
    const held: ServerHttp2Stream[] = [];
    const server = await answering(t, (stream) => held.push(stream));
    const w = world(t, { yaml: route('{retry: {attempts: 0}}'), endpoints: [{ at: server.at }] });
    const abort = new AbortController();
    const calls = Array.from({ length: 6 }, () =>
      codeOf(
        w.caller.fetch(`${PAY}/`, { signal: abort.signal }).catch((error) => {
          abort.abort();
          throw error;
        }),
      ),
    );
    await settled(() => held.length === 6);
    server.sessions[0]?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, lastStreamId);
    const ends = await Promise.all(calls);
    assert.ok(ends.includes('CALL_FAILED'), String(ends));
    await settled(() => cluster(w)?.stats().active === 0 && w.caller.dispatcher.stats().connections === 0);
  }
});

test('an answer cut in the middle is an error; one that nobody reads is held back at the service', async (t) => {
  // A stream that goes with its connection ends in order for node:http2.
  const cuts = [
    ({ session }: ServerHttp2Stream) => session?.destroy(),
    (_: ServerHttp2Stream, [socket]: Socket[]) => socket?.destroy(),
    (stream: ServerHttp2Stream) => stream.destroy(new Error('cut')),
  ];
  for (const end of cuts) {
    const cutting = await answering(t, (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('half');
      setTimeout(() => end(stream, cutting.sockets), 20);
    });
    const cut = world(t, { endpoints: [{ at: cutting.at }] });
    await assert.rejects(async () => (await cut.caller.fetch(`${PAY}/`)).text());
    assert.equal(cluster(cut)?.stats().active, 0);
  }
  let written = 0;
  const large = await answering(t, (stream, _, number) => {
    if (number > 1) return ok(stream);
    stream.respond({ ':status': 200 });
    const write = (): void => {
      while (written < 50_000_000 && stream.write(Buffer.alloc(65_536))) written += 65_536;
      stream.once('drain', write);
    };
    write();
  });
  const w = world(t, { endpoints: [{ at: large.at }] });
  const answer = await request(`${PAY}/`, { dispatcher: w.caller.dispatcher });
  answer.body.on('error', () => undefined);
  // Others on the same connection go on.
  assert.deepEqual(await w.many(3, () => w.http(`${PAY}/`)), { x: 3 });
  assert.equal(w.caller.dispatcher.stats().connections, 1);
  assert.ok(written < 20_000_000, `${written} bytes were taken`);
  answer.body.destroy();
  await settled(() => cluster(w)?.stats().active === 0);
});

test('h2-exchange 1, 2: aborted before, during and after the head, a call releases its pick and its stream', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  for (const path of ['/?delay=500', '/?chunks=50&gap=50']) {
    const abort = new AbortController();
    const call = w.caller.fetch(`${PAY}${path}`, { signal: abort.signal }).then((answer) => answer.text());
    await settled(() => cluster(w)?.stats().active === 1);
    setTimeout(() => abort.abort(), 60);
    await assert.rejects(call, { name: 'AbortError' });
    await settled(() => cluster(w)?.stats().active === 0);
  }
  assert.equal(await w.http(`${PAY}/`), 'a');
  assert.equal(w.caller.dispatcher.stats().connections, 1);
});

test('what the caller did wrong is neither tried again nor held against the endpoint', async (t) => {
  const retry = route('{retry: {attempts: 3, when: {reset: true}}}');
  const yaml = `${upstream('{outlier: {consecutive5xx: 1, consecutiveGateway: 1, maxPercent: 100}}')}\n---\n${retry}`;
  const w = world(t, { yaml, endpoints: [{ at: servers.a.port }, { at: servers.b.port }] });
  const { dispatcher } = w.caller;
  const put = (body: string | Readable, headers: Record<string, string> = {}): Promise<string> =>
    codeOf(request(`${PAY}/`, { dispatcher, method: 'PUT', body, headers }));
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('a');
    await new Promise((next) => setTimeout(next, 20));
    throw new Error('mine');
  }
  assert.equal(await put('', { 'x-a': 'bad\nvalue' }), 'UND_ERR_INVALID_ARG');
  assert.equal(await put('abc', { 'content-length': '2' }), 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH');
  const three = (): Readable => Readable.from([Buffer.from('abc')]);
  assert.equal(await put(three(), { 'content-length': '4' }), 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH');
  assert.equal(await put(three(), { 'content-length': '2' }), 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH');
  assert.equal(await put(Readable.from(broken())), 'Error: mine');
  assert.equal(await codeOf(request(`${PAY}/`, { dispatcher, upgrade: 'websocket' } as never)), 'CALL_PROTOCOL');
  await settled(() => cluster(w)?.stats().active === 0);
  assert.equal(cluster(w)?.stats().ejections, 0);
});

test('h2-pool 3: an endpoint that leaves: what runs is finished, then its connection is closed', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  await w.http(`${PAY}/`);
  const slow = w.http(`${PAY}/?delay=100`);
  await settled(() => cluster(w)?.stats().active === 1);
  w.held.put('assignment', 'pay.shop:82', new Uint8Array());
  assert.equal(await w.http(`${PAY}/`), 'CALL_NO_ENDPOINT');
  assert.equal(w.caller.dispatcher.stats().connections, 1);
  assert.equal(await slow, 'a');
  await settled(() => w.caller.dispatcher.stats().connections === 0);
});

test('a port whose protocol changes: calls go on, the former connections are closed', async (t) => {
  const old = createHttpServer((_, response) => response.writeHead(200, { 'x-backend': 'one' }).end());
  const recent = createServer((_, response) => void response.writeHead(200, { 'x-backend': 'two' }).end());
  const ports = [await listen(t, old), await listen(t, recent)] as const;
  const both = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (first) => {
      const behind = connect(ports[String(first).startsWith('PRI') ? 1 : 0], '127.0.0.1');
      behind.on('error', () => undefined).write(first);
      socket.pipe(behind).pipe(socket);
    });
  });
  const w = world(t, { endpoints: [{ at: await listen(t, both) }] });
  const [http, http2] = ['pay.shop:80', 'pay.shop:82'].map((name) => w.held.cluster(name)?.body);
  for (const [body, who] of [
    [http2, 'two'],
    [http, 'one'],
    [http2, 'two'],
  ] as const) {
    w.held.put('cluster', 'pay.shop:80', body);
    assert.equal(await w.http(), who);
    await settled(() => w.caller.dispatcher.stats().connections === 1);
  }
});

/** A cluster with one endpoint and no limits. */
const poolOf = (
  t: TestContext,
  port: number,
  timing: ConstructorParameters<typeof H2Pool>[1],
): (() => Promise<string>) => {
  const endpoint = { key: `127.0.0.1:${port}` };
  const limits = { maxPending: 10, maxConnections: 10, maxConnectionsPerEndpoint: 10, maxRequestsPerConnection: 100 };
  const fixed = { protocol: 2, onChange: () => () => undefined, connectTimeoutMs: 1_000, endpoints: () => [endpoint] };
  const pool = new H2Pool({ ...limits, ...fixed } as unknown as UpstreamCluster, timing);
  t.after(() => pool.close());
  return () =>
    new Promise((done) => {
      const options = { origin: '', path: '/', method: 'GET' } as const;
      pool.acquire(endpoint as never, (lease) =>
        lease.dispatch(options, {
          onConnect: () => undefined,
          onHeaders: () => true,
          onData: () => true,
          onComplete: () => done(`answered, ${pool.open} open`),
          onError: (error) => done(error.message),
        }),
      );
    });
};

test('h2-connection: one that answers no PING while requests run is broken; one that rests is closed', async (t) => {
  // It says that it speaks HTTP/2, and nothing more.
  const dumb = await listen(
    t,
    createTcpServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .write(SETTINGS),
    ),
  );
  assert.match(await poolOf(t, dumb, { pingMs: 20, pingWaitMs: 30 })(), /PING|closed/);
  const server = await answering(t, (stream) => void setTimeout(ok, 60, stream));
  const get = poolOf(t, server.at, { pingMs: 5, pingWaitMs: 5_000, idleMs: 20 });
  assert.equal(await get(), 'answered, 1 open');
  await settled(() => server.sessions[0]?.destroyed === true);
  assert.equal(await get(), 'answered, 1 open');
  assert.equal(server.sessions.length, 2);
});
