/** The server over gRPC, on both transports: what shows on the wire only. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AdsServer,
  createAdsServer,
  DeliveryLog,
  type ServerLimits,
  type TransportName,
} from '../../src/delta-xds/index.ts';
import { CDS, EDS, GRPC_PATHS, VHDS } from '../../src/proto/index.ts';
import { connectSidecar, type SidecarClient } from '../../src/sidecar-client/index.ts';
import { type Delivered, deliveredIn } from './support/delivered.ts';
import { assignmentBody, clusterBody, MemoryMesh, nodeOf, virtualHostBody } from './support/memory-mesh.ts';
import { RawClient } from './support/raw-client.ts';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
});

interface Stand {
  readonly mesh: MemoryMesh;
  readonly server: AdsServer;
  readonly port: number;
  readonly ledger: () => readonly Delivered[];
  readonly edges: string[];
}

const service = (mesh: MemoryMesh, name: string, version: string): void => {
  mesh.set('cds', name, clusterBody(name, `c-${version}`, true));
  mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080]));
  mesh.set('vhds', name, virtualHostBody(`h-${version}`, [name.slice(0, name.indexOf(':')), name], [name]));
};

const standOn = async (
  transport: TransportName,
  limits: Partial<ServerLimits>,
  mesh: MemoryMesh,
  at: number,
): Promise<Stand> => {
  const deliveries = new DeliveryLog();
  const edges: string[] = [];
  const server = createAdsServer({
    source: mesh,
    limits,
    transport,
    clock: () => performance.now(),
    now: Date.now,
    random: Math.random,
    logger: { info: () => undefined, warn: () => undefined },
    identifier: 'tendril/test/0',
    offset: () => 42,
    onObserve: ({ from, to, node }) => edges.push(`${node}: ${from} -> ${to}`),
    deliveries,
  });
  const { port } = await server.listen('127.0.0.1', at);
  open.push(server);
  return { mesh, server, port, ledger: () => deliveredIn(deliveries), edges };
};

const raw = (...args: ConstructorParameters<typeof RawClient>): RawClient => {
  const client = new RawClient(...args);
  open.push(client);
  return client;
};

const sidecar = (ports: readonly number[], caller = 'app.shop'): SidecarClient => {
  const client = connectSidecar({
    addresses: ports.map((port) => ({ host: '127.0.0.1', port })),
    node: { id: `sidecar~1~${caller}`, cluster: caller },
    backoff: { baseMs: 20, maxMs: 100 },
  });
  open.push(client);
  return client;
};

const eventually = async (what: string, holds: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 6_000; tries++) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
};

const suite = (transport: TransportName): void => {
  const stand = (limits: Partial<ServerLimits> = {}, mesh = new MemoryMesh(), at = 0): Promise<Stand> =>
    standOn(transport, limits, mesh, at);

  test('a sidecar asks for a host and gets it whole; unknown ones are answered at once; the edge is learned', async () => {
    const { mesh, server, port, ledger, edges } = await stand();
    service(mesh, 'cart.shop:80', '1');
    service(mesh, 'pay.shop:80', '1');
    mesh.set('cds', 'redis.shop:6379', clusterBody('redis.shop:6379', 'c-1', true));
    mesh.set('eds', 'redis.shop:6379', assignmentBody('redis.shop:6379', 'e-1', [6_379]));
    mesh.preloads.set('app.shop', ['pay.shop:80']);
    const client = sidecar([port]);
    await client.start();
    assert.equal(await client.hold('cart.shop:80'), true);
    assert.deepEqual(
      (await client.resolve('cart.shop')).map(({ address, port: at }) => `${address}:${at}`),
      ['127.0.0.1:8080'],
    );
    assert.equal(await client.ask('nobody.shop'), undefined);
    assert.equal(await client.hold('nobody.shop:80'), false);
    assert.deepEqual(
      (await client.resolve('redis.shop:6379')).map(({ port: at }) => at),
      [6_379],
    );
    assert.deepEqual([...client.versions('vhds')].sort(), [
      ['outbound/cart.shop:80', 'h-1'],
      ['outbound/pay.shop:80', 'h-1'],
    ]);
    assert.deepEqual(edges, [
      'sidecar~1~app.shop: app.shop -> cart.shop:80',
      'sidecar~1~app.shop: app.shop -> redis.shop:6379',
    ]);
    await eventually(
      'all is acknowledged',
      () => server.sessions()[0]?.types.every(({ unacked }) => unacked === 0) === true,
    );

    service(mesh, 'cart.shop:80', '2');
    await server.wake();
    await eventually('the change arrives', () => client.versions('eds').get('cart.shop:80') === 'e-2');
    const [status] = server.sessions();
    assert.equal(status?.caller, 'app.shop');
    assert.equal(status?.types.find(({ type }) => type === 'vhds')?.held, 2);
    const held = server.resourcesOf('sidecar~1~app.shop')?.[0]?.resources ?? [];
    assert.ok(held.some(({ type, name, version }) => type === 'eds' && name === 'cart.shop:80' && version === 'e-2'));
    assert.equal(server.resourcesOf('nobody'), undefined);
    const cart = ledger().filter(({ name, type }) => type === 'cds' && name === 'cart.shop:80');
    assert.deepEqual(
      cart.slice(0, 2).map(({ event, version, offset, caller, bytes }) => [event, version, offset, caller, bytes > 0]),
      [
        ['sent', 'c-1', 42, 'app.shop', true],
        ['acked', 'c-1', 42, 'app.shop', false],
      ],
    );
    const counters = server.counters();
    assert.equal(counters.sessions, 1);
    assert.ok(counters.cacheMisses > 0 && counters.responses > 0 && counters.requests > 0);
  });

  test('a restarted server sends 0 resource bytes to who holds everything, then only what changed', async () => {
    const mesh = new MemoryMesh();
    service(mesh, 'cart.shop:80', '1');
    service(mesh, 'pay.shop:80', '1');
    mesh.preloads.set('app.shop', ['pay.shop:80']);
    const before = await stand({}, mesh);
    const client = sidecar([before.port]);
    await client.hold('cart.shop:80');
    assert.equal(await client.ask('nobody.shop'), undefined);
    await eventually(
      'at rest',
      () => before.server.sessions()[0]?.types.every(({ unacked }) => unacked === 0) === true,
    );
    const sent = client.stats();
    await before.server.close();
    await eventually('it is gone', () => !client.stats().connected);
    const after = await stand({}, mesh, before.port);
    await eventually('it is back', () => client.stats().connected);
    await eventually('at rest', () => after.server.sessions()[0]?.types.every(({ unacked }) => unacked === 0) === true);
    assert.equal(client.stats().resources, sent.resources, 'no resource was sent again');
    assert.ok(client.stats().responseBytes - sent.responseBytes <= 200, 'two empty answers of 100 bytes at most');
    service(mesh, 'cart.shop:80', '2');
    await after.server.wake();
    await eventually('the change is there', () => client.versions('vhds').get('outbound/cart.shop:80') === 'h-2');
    assert.equal(client.stats().resources, sent.resources + 3);
    assert.deepEqual([...client.versions('cds').keys()].sort(), ['cart.shop:80', 'pay.shop:80']);
  });

  test('the first message must carry the node, a later one need not', async () => {
    const { port } = await stand();
    const client = raw(port);
    client.send({ typeUrl: CDS });
    const status = await client.status;
    assert.equal(status.code, 3);
    assert.match(status.details, /must carry the node/);
  });

  test('every response names the replica, has a nonce of its own, and Any types that equal its own', async () => {
    const { mesh, port } = await stand();
    service(mesh, 'cart.shop:80', '1');
    mesh.preloads.set('app.shop', ['cart.shop:80']);
    const client = raw(port);
    client.hello('app.shop');
    client.send({ typeUrl: VHDS, subscribe: ['outbound/cart.shop'] });
    await client.response(2);
    assert.deepEqual(
      client.responses.map(({ typeUrl, nonce, controlPlaneId }) => [typeUrl, nonce, controlPlaneId]),
      [
        [CDS, '1', 'tendril/test/0'],
        [EDS, '2', 'tendril/test/0'],
        [VHDS, '3', 'tendril/test/0'],
      ],
    );
    for (const { typeUrl, resources } of client.responses)
      for (const resource of resources) assert.equal(resource.typeUrl, typeUrl);
  });

  test('a refusal is counted, kept in the status and told to the ledger; the offset is named in every response', async () => {
    const { mesh, server, port, ledger } = await stand();
    service(mesh, 'cart.shop:80', '1');
    const client = raw(port);
    client.hello('app.shop');
    await client.response(0);
    client.send({ typeUrl: VHDS, subscribe: ['outbound/cart.shop'] });
    const refused = await client.response(3);
    assert.equal(refused.systemVersionInfo, '42');
    client.send({ typeUrl: VHDS, responseNonce: refused.nonce, errorDetail: { code: 13, message: 'missing ): ((' } });
    const negative = await client.response(4);
    assert.deepEqual(
      negative.resources.map(({ name, body }) => [name, body]),
      [['outbound/cart.shop', undefined]],
    );
    assert.deepEqual(server.sessions()[0]?.types.find(({ type }) => type === 'vhds')?.lastError, {
      code: 13,
      message: 'missing ): ((',
    });
    assert.deepEqual(
      ledger()
        .filter(({ event }) => event === 'rejected')
        .map(({ name, version, message, final }) => [name, version, message, final]),
      [['outbound/cart.shop:80', 'h-1', 'missing ): ((', true]],
    );
    assert.deepEqual([server.counters().nacks, server.counters().parked], [1, 1]);
  });

  test('EDS [local] with the node may come first', async () => {
    const { port } = await stand();
    const client = raw(port);
    client.send({ typeUrl: EDS, node: nodeOf('nobody.knows'), subscribe: ['local'] });
    const { resources } = await client.response(0);
    assert.deepEqual(
      resources.map(({ name }) => name),
      ['local'],
    );
  });

  test('malformed bytes end their stream with a sentence, and no other', async () => {
    const { port, server } = await stand();
    const good = raw(port);
    good.hello('app.shop');
    await good.response(0);
    const bad = raw(port);
    bad.sendBytes(Buffer.from('ffffffffffffffffffffff', 'hex'));
    const status = await bad.status;
    assert.equal(status.code, 3);
    assert.match(status.details, /malformed/);
    assert.equal(server.counters().malformed, 1);
    good.send({ typeUrl: VHDS, subscribe: ['outbound/x.shop'] });
    await good.response(1);
  });

  test('bounds: names, message size, headers, connections of one address, silence', async () => {
    const { port, server } = await stand({
      namesPerRequest: 10,
      namesPerStream: 20,
      receiveBytes: 10_000,
      headerBytes: 2_000,
      connectionsPerAddress: 5,
      firstStreamMs: 200,
      firstMessageMs: 200,
    });
    const many = raw(port);
    many.hello('app.shop');
    many.send({ typeUrl: EDS, subscribe: Array.from({ length: 11 }, (_, index) => `a${index}.shop:80`) });
    assert.deepEqual(
      [(await many.status).code, (await many.status).details],
      [8, '11 names in one request; allowed: 10'],
    );
    many.close();
    const big = raw(port);
    big.send({ typeUrl: CDS, node: { ...nodeOf('app.shop'), metadata: { padding: 'x'.repeat(20_000) } } });
    assert.equal((await big.status).code, 8);
    big.close();
    const heavy = raw(port, { 'x-heavy': 'x'.repeat(3_000) });
    assert.equal((await heavy.status).code, 8);
    heavy.close();
    const silent = raw(port);
    assert.deepEqual([(await silent.status).code, (await silent.status).details], [4, 'no request within 200 ms']);
    silent.close();
    await eventually('the connections are gone', () => server.counters().connections === 0);
    const sockets = Array.from({ length: 8 }, () => connect({ host: '127.0.0.1', port }));
    for (const socket of sockets) socket.on('error', () => undefined);
    await eventually('three are refused', () => server.counters().connectionsRefused === 3);
    await eventually('five say nothing and are closed', () => server.counters().connections === 0);
    assert.equal(server.counters().connectionsIdle, 5);
    for (const socket of sockets) socket.destroy();
  });

  test('a half-close ends the stream with OK and frees its session', async () => {
    const { port, server } = await stand();
    const client = raw(port);
    client.hello('app.shop');
    await client.response(0);
    client.stream.end();
    assert.equal((await client.status).code, 0);
    await eventually('the session is gone', () => server.sessions().length === 0);
  });

  test('a method that is not served is UNIMPLEMENTED', async () => {
    const { port } = await stand();
    const client = raw(port, {}, `${GRPC_PATHS.delta}X`);
    assert.equal((await client.status).code, 12);
  });

  test('a method of one type: an empty type_url means its type, another type is refused (checklist 55, 58)', async () => {
    const { mesh, port } = await stand();
    service(mesh, 'cart.shop:80', '1');
    const path = '/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints';
    const client = raw(port, {}, path);
    client.send({ typeUrl: '', node: nodeOf('app.shop'), subscribe: ['cart.shop:80'] });
    const { typeUrl, resources } = await client.response(0);
    assert.deepEqual([typeUrl, resources.map(({ name }) => name)], [EDS, ['cart.shop:80']]);
    client.send({ typeUrl: CDS });
    const status = await client.status;
    assert.deepEqual([status.code, status.details], [3, `${path} serves ${EDS} only, not ${CDS}`]);
  });

  test('a client that reads nothing holds a bounded amount, delays nobody, and gets the newest state when it reads again', async () => {
    const { mesh, server, port } = await stand({ heldBytes: 64 * 1024 });
    const names = Array.from({ length: 20 }, (_, index) => `big${index}.shop:80`);
    const change = (version: number): void => {
      for (const name of names) mesh.set('eds', name, assignmentBody(name, `e-${version}`, [8_080], 100_000));
    };
    for (const name of names) mesh.set('cds', name, clusterBody(name, 'c-1', true));
    change(0);
    const slow = raw(port);
    slow.send({ typeUrl: EDS, node: nodeOf('slow.shop'), subscribe: names });
    await slow.response(0);
    slow.stream.pause();
    const quick = raw(port);
    quick.send({ typeUrl: EDS, node: nodeOf('quick.shop'), subscribe: names });
    for (let version = 1; version <= 12; version++) {
      change(version);
      await server.wake();
      await eventually(`the quick one has version ${version}`, () => {
        const latest = quick.responses.at(-1);
        return latest?.resources.some((resource) => resource.version === `e-${version}`) === true;
      });
      for (const { nonce } of quick.responses) quick.send({ typeUrl: EDS, responseNonce: nonce });
    }
    const [toSlow] = server.sessions().filter(({ caller }) => caller === 'slow.shop');
    // Two responses of 2 MB went out at most: the first, and one change before the transport was full.
    assert.ok((toSlow?.sent.bytes ?? 0) < 8 * 1024 * 1024, `${toSlow?.sent.bytes} bytes`);
    assert.ok(server.counters().held >= 1);
    slow.stream.resume();
    await eventually('the slow one has the newest', () =>
      names.every((name) => {
        const versions = slow.responses.flatMap(({ resources }) =>
          resources.filter((resource) => resource.name === name),
        );
        return versions.at(-1)?.version === 'e-12';
      }),
    );
    const seen = new Set(slow.responses.flatMap(({ resources }) => resources.map(({ version }) => version)));
    assert.ok(seen.size < 8, `it got ${[...seen].join(' ')}`);
  });

  test('draining: no new connections, streams end UNAVAILABLE, the client moves to the other replica at no cost', async () => {
    const mesh = new MemoryMesh();
    service(mesh, 'cart.shop:80', '1');
    const [first, second] = [await stand({}, mesh), await stand({}, mesh)];
    const client = sidecar([first.port, second.port]);
    await client.hold('cart.shop:80');
    const [here, there] = first.server.sessions().length > 0 ? [first, second] : [second, first];
    await eventually('at rest', () => here.server.sessions()[0]?.types.every(({ unacked }) => unacked === 0) === true);
    const before = client.stats();
    await here.server.drain(50);
    assert.equal(here.server.sessions().length, 0);
    await eventually('it is at the other one', () => there.server.sessions().length === 1 && client.stats().connected);
    await eventually('at rest', () => there.server.sessions()[0]?.types.every(({ unacked }) => unacked === 0) === true);
    assert.equal(client.stats().resources, before.resources, 'no resource was sent again');
    assert.ok(client.stats().responseBytes - before.responseBytes < 400);
    service(mesh, 'cart.shop:80', '2');
    await there.server.wake();
    await eventually('it is served there', () => client.versions('vhds').get('outbound/cart.shop:80') === 'h-2');
  });

  test('a port in use is said, with what to do', async () => {
    const { port } = await stand();
    const other = createAdsServer({
      source: new MemoryMesh(),
      clock: () => 0,
      now: () => 0,
      random: () => 0,
      logger: { info: () => undefined, warn: () => undefined },
      identifier: 'x',
    });
    open.push(other);
    await assert.rejects(other.listen('127.0.0.1', port), { code: 'XDS_LISTEN', message: /EADDRINUSE/ });
  });
};

for (const transport of ['grpc-js', 'http2'] as const) describe(transport, () => suite(transport));
