/** Connections of HTTP/2: limits, GOAWAY, life; invariants of src/sidecar-client/http/h2-*.ts by file and number. */
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import { connect, createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { UpstreamCluster } from '../../../src/sidecar-client/calls/index.ts';
import { H2Pool } from '../../../src/sidecar-client/http/h2-pool.ts';
import { startHttp2Backend } from '../../support/backends.ts';
import { SETTINGS } from '../../support/h2-frames.ts';
import { codeOf, world } from '../fields/world.ts';
import { answering, atOnce, cluster, listen, ok, PAY, route, settled, upstream } from './h2-servers.ts';

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

test('limits.connections and limits.perEndpoint count a connection that takes no further request until it is closed', async (t) => {
  for (const limits of ['connections: 1, requestsPerConnection: 1', 'perEndpoint: 1, requestsPerConnection: 1']) {
    let most = 0;
    const server = await answering(t, (stream) => {
      most = Math.max(most, w.caller.dispatcher.stats().connections);
      setTimeout(ok, 5, stream);
    });
    const w = world(t, { yaml: upstream(`{limits: {${limits}}}`), endpoints: [{ at: server.at }] });
    assert.deepEqual(await atOnce(w, 6), Array(6).fill('x'));
    assert.deepEqual([server.sessions.length, most], [6, 1], limits);
  }
  const held: ServerHttp2Stream[] = [];
  const server = await answering(t, (stream) => held.push(stream));
  const w = world(t, { yaml: upstream('{limits: {connections: 1}}'), endpoints: [{ at: server.at }] });
  const first = w.http(`${PAY}/`);
  await settled(() => held.length === 1);
  server.sessions[0]?.goaway();
  // Until the GOAWAY has come, calls go over the connection that it will end.
  const rest: Promise<string>[] = [];
  for (let turn = 0; turn < 200 && w.caller.dispatcher.stats().pending === 0 && server.sessions.length === 1; turn++) {
    rest.push(w.http(`${PAY}/`));
    await new Promise((next) => setTimeout(next, 10));
  }
  const second = rest.pop();
  assert.deepEqual([server.sessions.length, w.caller.dispatcher.stats().pending], [1, 1]);
  held.splice(0).forEach(ok);
  assert.deepEqual(await Promise.all([first, ...rest]), Array(rest.length + 1).fill('x'));
  await settled(() => held.length === 1);
  held.forEach(ok);
  assert.equal(await second, 'x');
  assert.equal(server.sessions.length, 2);
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

test('h2-pool 3: an endpoint that leaves: what runs is finished, then its connection is closed', async (t) => {
  const server = await startHttp2Backend({ id: 'a' });
  t.after(() => server.close());
  const w = world(t, { endpoints: [{ at: server.port }] });
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
