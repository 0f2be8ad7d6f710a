/** The ways through a real Envoy: HTTP/1.1, HTTP/2, gRPC, WebSocket, TCP, inbound, external hosts, missing targets, prepared filters. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CompiledResource } from '../../src/compile/index.ts';
import { CDS, encodeCanonical, type IRoute, toStruct, VirtualHost } from '../../src/proto/index.ts';
import { startHttp2Backend, startHttpBackend } from '../support/backends.ts';
import { callGrpc, callHttp, callHttp2 } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePorts } from '../support/ports.ts';
import { startGrpcBackend, startTcpBackend, startWebSocketBackend } from '../support/stream-backends.ts';
import { openGrpcStream, openTcp, openWebSocket } from '../support/streams.ts';
import { assertAccepted, startSidecar, type TestSidecar } from './sidecar.ts';
import { compileAll, endpoint, http, mesh, port, service } from './support.ts';

const YAML = `
kind: Route
metadata: {name: gone, namespace: shop}
spec: {to: {"missing.other:80": {}}}
---
kind: Route
metadata: {name: late, namespace: shop}
spec: {timeout: 200ms}
---
kind: Upstream
metadata: {name: full, namespace: shop}
spec: {limits: {requests: 1}}
`;

type Fallback = Parameters<typeof toStruct>[0];

/** Route metadata that the later policy \`fallback\` will write, and a rule by caller as \`match.from\` will. */
const FALLBACKS: Readonly<Record<string, Fallback>> = {
  'none.shop:80': { noEndpoint: 200, overflow: 404, body: '{"items": "\\"none\\""}', type: 'application/json' },
  'dead.shop:80': { noEndpoint: 200, reset: 204, body: '', type: 'text/plain' },
  'kept.shop:80': { noEndpoint: 200, body: 'x', type: 'text/plain' },
  'late.shop:80': { timeout: 203, body: 'late', type: 'text/html' },
  'full.shop:80': { overflow: 429, body: 'full', type: 'text/plain' },
};

const withRoutes = (
  resource: CompiledResource,
  change: (routes: readonly IRoute[]) => readonly IRoute[],
): CompiledResource => {
  const { domains, routes } = VirtualHost.decode(resource.body);
  return { ...resource, body: encodeCanonical(VirtualHost, { domains, routes: change(routes) }) };
};

const prepared = (resource: CompiledResource): CompiledResource => {
  if (resource.type !== 'vhds') return resource;
  if (resource.name === 'callers.shop:80') {
    const from = (key: string, exact: string, cluster: string): IRoute => ({
      match: { prefix: `/${key}`, filterState: [{ key, stringMatch: { exact } }] },
      route: { cluster },
    });
    return withRoutes(resource, (routes) => [
      from('tendril.caller', 'web.shop', 'b.shop:80'),
      from('tendril.caller.namespace', 'shop', 'b.shop:80'),
      from('tendril.caller.account', 'shop/web', 'b.shop:80'),
      ...routes,
    ]);
  }
  const fallback = FALLBACKS[resource.name];
  if (fallback === undefined) return resource;
  const metadata = { filterMetadata: { tendril: toStruct({ fallback }) } };
  return withRoutes(resource, (routes) => routes.map((route) => ({ ...route, metadata })));
};

describe('ways through a real Envoy', { skip: requirePart('envoy') }, () => {
  const closing: (() => Promise<void>)[] = [];
  const keep = <T extends { close(): Promise<void> }>(started: T): T => {
    closing.push(() => started.close());
    return started;
  };
  let sidecar: TestSidecar | undefined;
  let inbound: Record<number, number> = {};
  let tcpPort = 0;
  let missingTcpPort = 0;
  const outbound = (): number => sidecar?.outbound ?? 0;
  const get = (authority: string, path = '/') => callHttp({ port: outbound(), authority, path });

  before(async () => {
    const a = keep(await startHttpBackend({ id: 'a' }));
    const b = keep(await startHttpBackend({ id: 'b' }));
    const h2 = keep(await startHttp2Backend({ id: 'h2' }));
    const rpc = keep(await startGrpcBackend({ id: 'rpc' }));
    const ws = keep(await startWebSocketBackend({ id: 'ws' }));
    const tcp = keep(await startTcpBackend({ id: 'tcp' }));
    const [dead = 0, in80 = 0, in81 = 0, in82 = 0, in83 = 0, local = 0, missing = 0] = await freePorts(7);
    inbound = { 80: in80, 81: in81, 82: in82, 83: in83 };
    [tcpPort, missingTcpPort] = [local, missing];
    const at = (number: number, service = 80) => [
      endpoint('1', { address: '127.0.0.1', ports: { [service]: number } }),
    ];
    const web = service('web.shop', { ports: [http(80), port(81, 'http2'), port(82, 'grpc'), port(83, 'tcp')] });
    const inputs = mesh({
      services: [
        web,
        ...['a', 'b', 'gone', 'none', 'dead', 'kept', 'late', 'full', 'callers', 'ws'].map((name) =>
          service(`${name}.shop`),
        ),
        service('h2.shop', { ports: [port(80, 'http2')] }),
        service('rpc.shop', { ports: [port(80, 'grpc')] }),
        service('tcp.shop', { ports: [port(70, 'tcp')] }),
        service('outside.shop', { ports: [http(a.port)], externalHosts: ['localhost', 'outside.example.com'] }),
      ],
      endpoints: {
        'a.shop': at(a.port),
        'b.shop': at(b.port),
        'h2.shop': at(h2.port),
        'rpc.shop': at(rpc.port),
        'ws.shop': at(ws.port),
        'tcp.shop': at(tcp.port, 70),
        'dead.shop': at(dead),
        'kept.shop': at(dead),
        'late.shop': at(a.port),
        'full.shop': at(a.port),
        'callers.shop': at(a.port),
      },
      yaml: YAML,
    });
    sidecar = await startSidecar({
      resources: compileAll(inputs).map(prepared),
      onDemand: ['tcp.shop:70', 'b.shop:80'],
      own: {
        service: web,
        endpoint: endpoint('1', {
          address: '127.0.0.1',
          ports: { 80: a.port, 81: h2.port, 82: rpc.port, 83: tcp.port },
          inbound,
        }),
        tcp: [
          { servicePort: 'tcp.shop:70', localPort: tcpPort },
          { servicePort: 'missing.shop:70', localPort: missingTcpPort },
        ],
      },
    });
  });
  after(async () => {
    await sidecar?.stop();
    for (const close of closing.reverse()) await close();
  });

  test('HTTP/1.1 and HTTP/2 callers reach HTTP/1.1 and HTTP/2 services', async () => {
    for (const [host, id] of [
      ['a', 'a'],
      ['a.shop', 'a'],
      ['a.shop.mesh.local:80', 'a'],
      ['h2', 'h2'],
    ] as const) {
      for (const call of [callHttp, callHttp2]) {
        const { status, headers, body } = await call({
          port: outbound(),
          authority: host,
          method: 'POST',
          path: '/x?y',
          body: 'z',
        });
        assert.deepEqual([status, headers['x-backend']], [200, id], host);
        assert.equal((JSON.parse(body) as { headers: { host?: string } }).headers.host ?? host, host);
        assert.equal(headers.server, undefined, 'the answer says of the server what the service said');
      }
    }
  });

  test('a host that nobody has is 404', async () => {
    assert.equal((await get('nobody.shop')).status, 404);
    assert.equal((await get('a.shop:81')).status, 404);
  });

  test('gRPC: unary, and a stream with a pause', async () => {
    const { code, message } = await callGrpc({ port: outbound(), authority: 'rpc.shop', message: 'hi' });
    assert.deepEqual([code, message], [0, 'rpc:hi']);
    const stream = openGrpcStream({ port: outbound(), authority: 'rpc.shop' });
    stream.send('1');
    assert.equal(await stream.next(), 'rpc:1');
    stream.send('2');
    assert.equal(await stream.next(), 'rpc:2');
    await stream.close();
  });

  test('WebSocket', async () => {
    const socket = await openWebSocket({ port: outbound(), authority: 'ws' });
    socket.send('hi');
    assert.equal(await socket.next(), 'ws:hi');
    await socket.close();
  });

  test('TCP: the cluster comes with the first connection', async () => {
    const socket = await openTcp({ port: tcpPort });
    socket.send('hi');
    assert.equal(await socket.next(), 'tcp:hi');
    await socket.close();
    assert.ok(sidecar?.ads.asked.get(CDS)?.includes('tcp.shop:70'));
  });

  test('TCP to what is not there: the connection is closed', async () => {
    const socket = await openTcp({ port: missingTcpPort });
    await assert.rejects(socket.next());
  });

  test('inbound: HTTP/1.1, HTTP/2, gRPC and TCP reach the application', async () => {
    const h1 = await callHttp({ port: inbound[80] ?? 0, authority: 'web.shop', path: '/?status=201' });
    assert.deepEqual([h1.status, h1.headers['x-backend']], [201, 'a']);
    const h2 = await callHttp2({ port: inbound[81] ?? 0, authority: 'web.shop:81' });
    assert.deepEqual([h2.status, h2.headers['x-backend']], [200, 'h2']);
    const rpc = await callGrpc({ port: inbound[82] ?? 0, authority: 'web.shop:82', message: 'hi' });
    assert.equal(rpc.message, 'rpc:hi');
    const tcp = await openTcp({ port: inbound[83] ?? 0 });
    tcp.send('hi');
    assert.equal(await tcp.next(), 'tcp:hi');
    await tcp.close();
  });

  test('an external service: the sidecar resolves its host', async () => {
    const { status, headers } = await get('outside.example.com');
    assert.deepEqual([status, headers['x-backend']], [200, 'a']);
  });

  test('a target that is not there is 503 at once, also the second time; its name is asked once', async () => {
    for (let attempt = 0; attempt < 3; attempt++) {
      const { status, body } = await get('gone');
      assert.deepEqual([status, body], [503, 'no healthy upstream']);
    }
    assert.deepEqual(
      sidecar?.ads.asked.get(CDS)?.filter((name) => name === 'missing.other:80'),
      ['missing.other:80'],
    );
  });

  test('prepared: rules by caller, by its namespace, by its account', async () => {
    for (const key of ['tendril.caller', 'tendril.caller.namespace', 'tendril.caller.account']) {
      assert.equal((await get('callers', `/${key}`)).headers['x-backend'], 'b', key);
    }
    assert.equal((await get('callers')).headers['x-backend'], 'a');
  });

  test('prepared: a fallback answers what its route names, and nothing else', async () => {
    const answer = async (host: string, path = '/'): Promise<unknown[]> => {
      const { status, headers, body } = await get(host, path);
      return [status, headers['content-type'], body];
    };
    assert.deepEqual(await answer('none'), [200, 'application/json', '{"items": "\\"none\\""}']);
    assert.deepEqual((await answer('dead'))[0], 204);
    assert.deepEqual((await answer('kept'))[0], 503, 'a failed connection is not "no endpoint"');
    assert.deepEqual(await answer('late', '/?delay=600'), [203, 'text/html', 'late']);
    assert.deepEqual((await answer('late', '/?status=504'))[0], 504, 'an answer of the service passes');
    assert.deepEqual((await answer('a', '/?status=503'))[0], 503);
    const running = get('full', '/?delay=500');
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.deepEqual(await answer('full'), [429, 'text/plain', 'full']);
    assert.equal((await running).status, 200);
  });

  test('all of it was accepted', async () => {
    assert.ok(sidecar !== undefined);
    await assertAccepted(sidecar);
  });
});
