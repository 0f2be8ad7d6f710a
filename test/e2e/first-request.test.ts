/** Issue 3, section 8.2: the first request to a service works, whatever it is, and costs one subscription. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import type { Echo } from '../support/backends.ts';
import { callGrpc, callHttp, callHttp2 } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { openGrpcStream, openTcp, openWebSocket } from '../support/streams.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { backendOf } from './traffic.ts';

suite('first request', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let callers = 0;

  before(async () => {
    mesh = await startMesh();
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  /** A caller of its own for each test: nothing is learned beforehand. */
  const newSidecar = (concurrency?: number): Promise<Sidecar> => {
    callers++;
    return mesh.sidecar({
      service: `caller-${callers}.default`,
      ...(concurrency === undefined ? {} : { concurrency }),
    });
  };

  /** Registers a service with one endpoint. */
  const register = (name: string, protocol: string, port: number, app: { readonly port: number }): Promise<void> =>
    mesh.events(...serviceEvents(name, [{ port, protocol }], [{ id: `${name}-1`, ports: { [port]: app.port } }]));

  test('HTTP/1.1: every name of a service; its other names need no further question', async () => {
    const app = await toys.http('h1');
    await register('h1', 'http', 80, app);
    const sidecar = await newSidecar();
    const names = [
      'h1',
      'h1.default',
      'H1.default:80',
      'h1.default.mesh.local',
      'h1.default.svc.cluster.local:80',
      'h1:80',
    ];
    for (const authority of names) {
      const result = await callHttp({ port: sidecar.outboundPort, authority, path: '/a' });
      assert.deepEqual([result.status, result.headers['x-backend']], [200, 'h1'], authority);
    }
    assert.equal(await sidecar.stat(/vhds\.outbound\.update_success$/), 2, 'primed once, answered once');
    await sidecar.assertHealthy();
  });

  test('HTTP/2 and gRPC unary', async () => {
    await register('h2', 'http2', 8080, await toys.http2('h2'));
    await register('rpc', 'grpc', 9000, await toys.grpc('rpc'));
    const sidecar = await newSidecar();
    const { outboundPort: port } = sidecar;
    const h2 = await callHttp2({ port, authority: 'h2.default:8080', method: 'POST', body: 'hello' });
    assert.deepEqual([h2.status, backendOf(h2)], [200, 'h2']);
    const unary = await callGrpc({ port, authority: 'rpc.default', message: 'one' });
    assert.deepEqual([unary.code, unary.message], [0, 'rpc:one'], unary.details);
    await sidecar.assertHealthy();
  });

  test('gRPC streaming: messages sent before the service is known arrive in order', async () => {
    await register('stream', 'grpc', 9000, await toys.grpc('stream'));
    const sidecar = await newSidecar();
    const stream = openGrpcStream({ port: sidecar.outboundPort, authority: 'stream.default:9000' });
    for (const message of ['1', '2', '3']) stream.send(message);
    assert.deepEqual(
      [await stream.next(), await stream.next(), await stream.next()],
      ['stream:1', 'stream:2', 'stream:3'],
    );
    await stream.close();
    await sidecar.assertHealthy();
  });

  test('WebSocket', async () => {
    await register('ws', 'http', 80, await toys.webSocket('ws'));
    const sidecar = await newSidecar();
    const socket = await openWebSocket({ port: sidecar.outboundPort, authority: 'ws.default' });
    socket.send('hello');
    assert.equal(await socket.next(), 'ws:hello');
    await socket.close();
    await sidecar.assertHealthy();
  });

  test('TCP: a declared dependency has a port of its own, also when its service comes later', async () => {
    await register('db', 'tcp', 6379, await toys.tcp('db'));
    const [known, later] = [await freePort(), await freePort()];
    const sidecar = await newSidecar();
    await mesh.docs(`
kind: Dependency
metadata: {name: caller-${callers}}
spec:
  to:
    db.default:6379: {localPort: ${known}}
    late-db.default:6379: {localPort: ${later}}`);
    const exchange = async (port: number): Promise<string> => {
      const socket = await openTcp({ port });
      socket.send('ping');
      const answer = await socket.next();
      await socket.close();
      return answer;
    };
    const listens = async (name: string): Promise<boolean> => (await sidecar.holds()).listeners.includes(name);
    await eventually('a listener for the known service', () => listens('tcp/db.default:6379'));
    assert.equal(await exchange(known), 'db:ping');
    await register('late-db', 'tcp', 6379, await toys.tcp('late-db'));
    await eventually('a listener for the late service', () => listens('tcp/late-db.default:6379'));
    assert.equal(await exchange(later), 'late-db:ping');
    await sidecar.assertHealthy();
  });

  test('20 parallel first requests, two Envoy workers: one subscription', async () => {
    await register('many', 'http', 80, await toys.http('many'));
    const sidecar = await newSidecar(2);
    const answers = (type: RegExp): Promise<number> => sidecar.stat(type);
    const before = await answers(/vhds\.outbound\.update_success$/);
    const calls = Array.from({ length: 20 }, () => callHttp({ port: sidecar.outboundPort, authority: 'many.default' }));
    assert.deepEqual(
      (await Promise.all(calls)).map(({ status }) => status),
      Array(20).fill(200),
    );
    await sidecar.quiet();
    assert.equal((await answers(/vhds\.outbound\.update_success$/)) - before, 1, 'one answer');
    const vhds = (await mesh.resources(sidecar)).filter(({ type }) => type === 'vhds').map(({ name }) => name);
    assert.deepEqual(vhds, ['outbound/many.default:80']);
    await sidecar.assertHealthy();
  });

  test('a POST of 3 MB survives being the first request', async () => {
    await register('upload', 'http', 80, await toys.http('upload'));
    const sidecar = await newSidecar();
    const body = Buffer.alloc(3_000_000);
    for (let at = 0; at < body.length; at += 4) body.writeUInt32LE(at, at);
    const result = await callHttp({ port: sidecar.outboundPort, authority: 'upload.default', method: 'POST', body });
    const echo = JSON.parse(result.body) as Echo;
    assert.deepEqual([result.status, echo.bodyLength], [200, body.length]);
    assert.equal(echo.bodySha256, createHash('sha256').update(body).digest('hex'));
    await sidecar.assertHealthy();
  });

  test('a service that appears after its first 404 answers without a restart; so does one whose endpoint comes later', async () => {
    const app = await toys.http('later');
    const sidecar = await newSidecar();
    const status = async (authority: string): Promise<number> =>
      (await callHttp({ port: sidecar.outboundPort, authority })).status;
    assert.equal(await status('later.default'), 404);
    assert.equal(await status('later.default'), 404);
    assert.equal(await status('later'), 404, 'by its short name too');
    await mesh.events(...serviceEvents('later', [{ port: 80, protocol: 'http' }], []));
    await eventually('without endpoints: 503', async () => (await status('later.default')) === 503);
    await mesh.events(endpointEvent('later', { id: 'later-1', ports: { 80: app.port } }));
    await eventually('with an endpoint: 200', async () => (await status('later.default')) === 200);
    assert.equal(await status('later'), 200);
    await sidecar.assertHealthy();
  });

  test('five services at once, and a route with five targets: each cluster is new to the listener', async () => {
    const names = ['five-a', 'five-b', 'five-c', 'five-d', 'five-e'];
    for (const name of names) await register(name, 'http', 80, await toys.http(name));
    const sidecar = await newSidecar();
    const { outboundPort: port } = sidecar;
    const results = await Promise.all(names.map((name) => callHttp({ port, authority: `${name}.default` })));
    assert.deepEqual(results.map(backendOf), names);

    const targets = ['t-a', 't-b', 't-c', 't-d', 't-e'];
    for (const name of targets) await register(name, 'http', 80, await toys.http(name));
    await register('split', 'http', 80, await toys.http('split'));
    const to = targets.map((name) => `    ${name}.default: {weight: 1}`).join('\n');
    await mesh.docs(`kind: Route\nmetadata: {name: split}\nspec:\n  to:\n${to}`);
    const seen = new Set<string>();
    await eventually('each target has answered', async () => {
      const result = await callHttp({ port, authority: 'split.default' });
      assert.equal(result.status, 200);
      seen.add(backendOf(result));
      return seen.size === targets.length;
    });
    assert.deepEqual([...seen].sort(), targets);
    const held = await sidecar.holds();
    assert.deepEqual(
      held.clusters,
      [...names, ...targets].map((name) => `${name}.default:80`).sort(),
      'and no cluster for the service whose requests all go elsewhere',
    );
    await sidecar.assertHealthy();
  });

  test('two ports of one service are two services; without a port the lowest answers', async () => {
    const [web, admin] = [await toys.http('web'), await toys.http('admin')];
    await mesh.events(
      ...serviceEvents(
        'two',
        [
          { port: 8080, protocol: 'http' },
          { port: 9090, protocol: 'http' },
        ],
        [{ id: 'two-1', ports: { 8080: web.port, 9090: admin.port } }],
      ),
    );
    const sidecar = await newSidecar();
    const backend = async (authority: string): Promise<string> =>
      backendOf(await callHttp({ port: sidecar.outboundPort, authority }));
    assert.equal(await backend('two.default:9090'), 'admin');
    assert.deepEqual((await sidecar.holds()).clusters, ['two.default:9090'], 'the other port is not there yet');
    assert.equal(await backend('two.default:8080'), 'web');
    assert.equal(await backend('two.default'), 'web');
    assert.equal(await backend('two:9090'), 'admin');
    assert.deepEqual((await sidecar.holds()).clusters, ['two.default:8080', 'two.default:9090']);
    await sidecar.assertHealthy();
  });
});
