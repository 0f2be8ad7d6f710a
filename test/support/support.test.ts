/** The toy services and clients against each other, then through a real Envoy with a static bootstrap. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { type Backend, type Echo, startHttp2Backend, startHttpBackend } from './backends.ts';
import { callGrpc, callHttp, callHttp2 } from './clients.ts';
import { assertHealthy, type Envoy, startEnvoy } from './envoy.ts';
import { requirePart } from './parts.ts';
import { freePort, freePorts } from './ports.ts';
import { startGrpcBackend, startTcpBackend, startWebSocketBackend } from './stream-backends.ts';
import { openGrpcStream, openTcp, openWebSocket } from './streams.ts';

const echoOf = (body: string): Echo => JSON.parse(body);

suite('toy services', () => {
  test('HTTP/1.1: echo, status, delay, failing, 3 MB body', async () => {
    const backend = await startHttpBackend({ id: 'h1' });
    const { port } = backend;
    try {
      const body = Buffer.alloc(3_000_000, 'x');
      const first = await callHttp({
        port,
        authority: 'cart.shop',
        method: 'POST',
        path: '/a?status=201&chunks=2',
        headers: { 'x-y': 'z' },
        body,
      });
      const echo = echoOf(first.body);
      assert.deepEqual(
        [first.status, echo.backend, echo.method, echo.path],
        [201, 'h1', 'POST', '/a?status=201&chunks=2'],
      );
      assert.deepEqual([echo.headers.host, echo.headers['x-y'], echo.bodyLength], ['cart.shop', 'z', 3_000_000]);
      assert.equal(echo.bodySha256, createHash('sha256').update(body).digest('hex'));
      backend.fail(503);
      assert.equal((await callHttp({ port })).status, 503);
      backend.fail(undefined);
      backend.delay(5_000);
      await assert.rejects(callHttp({ port, timeoutMs: 1_000 }), /no answer/);
      backend.delay(0);
      assert.equal((await callHttp({ port })).status, 200);
      assert.equal(backend.hits(), 4);
    } finally {
      await backend.close();
    }
    await assert.rejects(callHttp({ port }), /ECONNREFUSED/);
  });

  test('HTTP/2', async () => {
    const backend = await startHttp2Backend({ id: 'h2' });
    try {
      const { status, body } = await callHttp2({
        port: backend.port,
        authority: 'cart.shop',
        method: 'POST',
        path: '/b',
        body: 'hello',
      });
      assert.deepEqual(
        [status, echoOf(body).backend, echoOf(body).headers[':authority'], echoOf(body).bodyLength],
        [200, 'h2', 'cart.shop', 5],
      );
    } finally {
      await backend.close();
    }
  });

  test('gRPC: unary, status, bidirectional stream', async () => {
    const backend = await startGrpcBackend({ id: 'g' });
    const { port } = backend;
    try {
      assert.deepEqual(await callGrpc({ port, message: 'hi' }), { code: 0, details: '', message: 'g:hi' });
      const stream = openGrpcStream({ port, authority: 'cart.shop' });
      for (const message of ['1', '2']) {
        stream.send(message);
        assert.equal(await stream.next(), `g:${message}`);
      }
      await stream.close();
      await assert.rejects(stream.next(), /code 0/);
      backend.fail(14);
      assert.deepEqual(await callGrpc({ port, message: 'hi' }), { code: 14, details: 'g fails', message: '' });
      assert.equal(backend.hits(), 3);
    } finally {
      await backend.close();
    }
  });

  test('WebSocket: handshake, small and large frames, plain request refused', async () => {
    const backend = await startWebSocketBackend({ id: 'w' });
    try {
      const socket = await openWebSocket({ port: backend.port, path: '/ws' });
      for (const message of ['a', 'b'.repeat(60_000), 'ü']) {
        socket.send(message);
        assert.equal(await socket.next(), `w:${message}`);
      }
      await socket.close();
      assert.equal((await callHttp({ port: backend.port })).status, 426);
      assert.equal(backend.hits(), 1);
    } finally {
      await backend.close();
    }
  });

  test('TCP', async () => {
    const backend = await startTcpBackend({ id: 't' });
    try {
      const socket = await openTcp({ port: backend.port });
      socket.send('one');
      assert.equal(await socket.next(), 't:one');
      socket.send('two');
      assert.equal(await socket.next(), 'two');
      await socket.close();
      await assert.rejects(socket.next(), /closed/);
    } finally {
      await backend.close();
    }
  });

  test('free ports are different', async () => {
    const ports = await freePorts(20);
    assert.equal(new Set(ports).size, 20);
    const port = await freePort();
    const backend = await startTcpBackend({ id: 't', port });
    assert.equal(backend.port, port);
    await backend.close();
  });
});

const HTTP = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const OPTIONS = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

suite('a real Envoy', { skip: requirePart('envoy') }, () => {
  const backends: Backend[] = [];
  let envoy: Envoy;
  let port: number;

  before(async () => {
    backends.push(
      await startHttpBackend({ id: 'h1' }),
      await startGrpcBackend({ id: 'g' }),
      await startWebSocketBackend({ id: 'w' }),
    );
    const clusters = backends.map((backend) => ({
      name: backend.id,
      type: 'STATIC',
      load_assignment: {
        cluster_name: backend.id,
        endpoints: [
          {
            lb_endpoints: [
              { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: backend.port } } } },
            ],
          },
        ],
      },
      ...(backend.id === 'g' && {
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': OPTIONS,
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
      }),
    }));
    const http = {
      '@type': HTTP,
      stat_prefix: 'out',
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } }],
      route_config: {
        name: 'static',
        virtual_hosts: backends.map(({ id }) => ({
          name: id,
          domains: [`${id}.shop`],
          routes: [{ match: { prefix: '/' }, route: { cluster: id } }],
        })),
      },
    };
    const listener = {
      name: 'out',
      address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
      filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: http }] }],
    };
    envoy = await startEnvoy({ bootstrap: { static_resources: { listeners: [listener], clusters } } });
    await envoy.live();
    port = await envoy.listenerPort('out');
  });
  after(async () => {
    await envoy?.stop();
    await Promise.all(backends.map((backend) => backend.close()));
  });

  test('proxies HTTP/1.1, HTTP/2, gRPC and WebSocket by Host', async () => {
    const first = await callHttp({ port, authority: 'h1.shop', path: '/x' });
    assert.deepEqual(
      [first.status, echoOf(first.body).backend, echoOf(first.body).headers.host],
      [200, 'h1', 'h1.shop'],
    );
    assert.equal((await callHttp2({ port, authority: 'h1.shop' })).status, 200);
    assert.equal((await callHttp({ port, authority: 'nobody.shop' })).status, 404);
    assert.equal((await callGrpc({ port, authority: 'g.shop', message: 'm' })).message, 'g:m');
    const stream = openGrpcStream({ port, authority: 'g.shop' });
    stream.send('s');
    assert.equal(await stream.next(), 'g:s');
    await stream.close();
    const socket = await openWebSocket({ port, authority: 'w.shop' });
    socket.send('frame');
    assert.equal(await socket.next(), 'w:frame');
    await socket.close();
  });

  test('tells what it holds, its counters and its health', async () => {
    const held = await envoy.held();
    assert.deepEqual([held.clusters, held.listeners, held.warmingClusters], [['g', 'h1', 'w'], ['out'], []]);
    assert.deepEqual([held.routes, held.virtualHosts], [['static'], ['g', 'h1', 'w']]);
    const { 'cluster.h1.upstream_rq_total': total } = await envoy.stats('^cluster\\.h1\\.upstream_rq_total$');
    assert.ok(total !== undefined && total >= 1);
    await assertHealthy(envoy, { controlPlane: false });
    await assert.rejects(assertHealthy(envoy), /no stats of these names: \.init_fetch_timeout, \.update_rejected/);
  });

  test('a bootstrap that Envoy refuses is told with its words', async () => {
    await assert.rejects(startEnvoy({ bootstrap: { static_resources: { clusters: [{ nmae: 'x' }] } } }), /nmae/);
  });
});
