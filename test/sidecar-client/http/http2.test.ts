/** Calls to a port that speaks HTTP/2: bodies, ends, retries; invariants of src/sidecar-client/http/h2-*.ts by file and number. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { FormData, request } from 'undici';
import type { HttpBackend } from '../../support/backends.ts';
import { freePort } from '../../support/ports.ts';
import { codeOf, http2Servers, type Servers, world } from '../fields/world.ts';
import { answering, cluster, listen, ok, PAY, route, settled, upstream } from './h2-servers.ts';

let servers: Servers<HttpBackend>;
before(async () => {
  servers = await http2Servers();
});
after(() => servers.close());

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
  const whole = world(t, { yaml: route('{timeout: 400ms}'), endpoints: [{ at: servers.a.port }] });
  const ends = ['/?delay=2000', '/?chunks=100&gap=50'].map((path) => whole.http(`${PAY}${path}`));
  assert.deepEqual(await Promise.all(ends), ['CALL_TIMEOUT', 'CALL_TIMEOUT']);
  assert.equal(await whole.http(`${PAY}/`), 'a');
  assert.equal(whole.caller.dispatcher.stats().connections, 1);
  const idle = world(t, { yaml: route('{idleTimeout: 600ms}'), endpoints: [{ at: servers.a.port }] });
  const both = ['/?delay=2000', '/?chunks=8&gap=100'].map((path) => idle.http(`${PAY}${path}`));
  assert.deepEqual(await Promise.all(both), ['CALL_TIMEOUT', 'a']);
  servers.a.delay(2_000);
  t.after(() => servers.a.delay(0));
  const before = servers.a.hits();
  const yaml = route('{timeout: 60s, retry: {attempts: 5, timeout: 200ms, when: {gateway: true}}}');
  const tries = world(t, { yaml, endpoints: [{ at: servers.a.port }, { at: servers.b.port }] });
  while (servers.a.hits() === before) assert.equal(await tries.http(`${PAY}/`), 'b');
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
  const alone = world(t, { endpoints: [{ at: old }] });
  const failed = await alone.caller.fetch(`${PAY}/`).catch((error) => String(error.cause));
  assert.match(String(failed), /does not speak HTTP\/2/);
  const never = world(t, { yaml: route('{timeout: 100ms}'), endpoints: [{ at: silent }] });
  assert.equal(await never.http(`${PAY}/`), 'CALL_TIMEOUT');
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

test('uploads that wait for a slow service reset no other call on their connection', async (t) => {
  const uploads: ServerHttp2Stream[] = [];
  const server = await answering(t, (stream, _, number) => (number > 3 ? ok(stream) : uploads.push(stream)));
  const w = world(t, { yaml: route('{retry: {attempts: 0}}'), endpoints: [{ at: server.at }] });
  const body = 'x'.repeat(5_000_000);
  const puts = Array.from({ length: 3 }, () => w.http(`${PAY}/`, { method: 'PUT', body }));
  await settled(() => uploads.length === 3);
  assert.equal(await w.http(`${PAY}/`), 'x');
  for (const stream of uploads) stream.resume().once('end', () => ok(stream));
  assert.deepEqual(await Promise.all(puts), ['x', 'x', 'x']);
  assert.equal(server.sessions.length, 1);
});

test('what a handler of the caller throws at the end is a warning; the connection goes on', async (t) => {
  const w = world(t, { endpoints: [{ at: servers.a.port }] });
  const warned = once(process, 'warning');
  w.caller.dispatcher.dispatch(
    { origin: PAY, path: '/', method: 'GET' },
    {
      onConnect: () => undefined,
      onHeaders: () => true,
      onData: () => true,
      onComplete: () => {
        throw new Error('mine');
      },
      onError: () => undefined,
    },
  );
  assert.match(String((await warned)[0]), /onComplete of a call threw: Error: mine/);
  assert.equal(await w.http(`${PAY}/`), 'a');
  assert.deepEqual([cluster(w)?.stats().active, w.caller.dispatcher.stats().connections], [0, 1]);
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
