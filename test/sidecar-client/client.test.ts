/** The client where the control plane is away, elsewhere, or slow; and what it reads out of resources. */
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { ClusterLoadAssignment, encodeCanonical, envoy, VirtualHost } from '../../src/proto/index.ts';
import { decodeAssignment, decodeCluster, decodeVirtualHost } from '../../src/sidecar-client/decode.ts';
import { connectSidecar, type SidecarClient, type SidecarOptions } from '../../src/sidecar-client/index.ts';
import { until } from '../cli/support/tendril.ts';
import { assignmentBody, clusterBody, MemoryMesh, virtualHostBody } from '../delta-xds/support/memory-mesh.ts';
import { serveMesh } from '../delta-xds/support/serve-mesh.ts';
import { freePort } from '../support/ports.ts';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
});

const client = (ports: readonly number[], options: Partial<SidecarOptions> = {}): SidecarClient => {
  const made = connectSidecar({
    addresses: ports.map((port) => ({ host: '127.0.0.1', port })),
    node: { id: 'sidecar~1~app.shop', cluster: 'app.shop' },
    backoff: { baseMs: 10, maxMs: 50 },
    ...options,
  });
  open.push(made);
  return made;
};

const serve = async (mesh: MemoryMesh): Promise<number> => {
  const { server, port } = await serveMesh(mesh);
  open.push(server);
  return port;
};

test('no control plane: questions end with SIDECAR_TIMEOUT, closing ends what waits with SIDECAR_CLOSED', async () => {
  const nobody = await freePort();
  const hasty = client([nobody], { timeoutMs: 50 });
  await assert.rejects(hasty.ask('cart.shop'), { code: 'SIDECAR_TIMEOUT' });
  await assert.rejects(hasty.start(), { code: 'SIDECAR_TIMEOUT' });
  const patient = client([nobody], { timeoutMs: 60_000 });
  const asked = patient.ask('cart.shop');
  const held = patient.hold('cart.shop:80');
  await patient.close();
  await assert.rejects(asked, { code: 'SIDECAR_CLOSED' });
  await assert.rejects(held, { code: 'SIDECAR_CLOSED' });
  await assert.rejects(patient.ask('cart.shop'), { code: 'SIDECAR_CLOSED' });
});

test('a control plane that stands still with its connections open is left for the next one, which brings what is new', async () => {
  const mesh = new MemoryMesh();
  mesh.set('cds', 'cart.shop:80', clusterBody('cart.shop:80', 'c', true));
  mesh.set('eds', 'cart.shop:80', assignmentBody('cart.shop:80', 'e', [1]));
  mesh.set('vhds', 'cart.shop:80', virtualHostBody('h', ['cart.shop'], ['cart.shop:80']));
  const port = await serve(mesh);
  // In the way to it: takes what comes, and from `isStill` on passes nothing on.
  let isStill = false;
  const sockets: Socket[] = [];
  const proxy = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    sockets.push(near, far);
    for (const [from, to] of [[near, far] as const, [far, near] as const]) {
      from.on('error', () => undefined);
      from.on('data', (bytes: Buffer) => {
        if (!isStill) to.write(bytes);
      });
    }
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  });
  const { port: still } = proxy.address() as { port: number };
  const reached: number[] = [];
  const sidecar = client([still, port], {
    random: () => 0,
    keepalive: { timeMs: 200, timeoutMs: 200 },
    onStatus: (status) => {
      if (status.is === 'connected') reached.push(status.to.port);
    },
  });
  assert.equal((await sidecar.resolve('cart.shop')).length, 1);
  isStill = true;
  mesh.set('eds', 'cart.shop:80', assignmentBody('cart.shop:80', 'e2', [1, 2]));
  await until(
    () => (sidecar.endpoints('cart.shop:80')?.length === 2 ? true : undefined),
    () => `reached ${reached.map((at) => (at === still ? 'the one that stands still' : 'the other'))}`,
  );
  assert.equal(reached.at(-1), port);
});

test('of several control planes one that answers is enough; a question asked before that waits', async () => {
  const mesh = new MemoryMesh();
  mesh.set('cds', 'cart.shop:80', clusterBody('cart.shop:80', 'c', true));
  mesh.set('eds', 'cart.shop:80', assignmentBody('cart.shop:80', 'e', [1, 2]));
  mesh.set('vhds', 'cart.shop:80', virtualHostBody('h', ['cart.shop'], ['cart.shop:80']));
  // One address refuses connections, one takes them and hangs up.
  const rude = createServer((socket) => socket.destroy());
  await new Promise<void>((done) => rude.listen(0, '127.0.0.1', done));
  open.push({ close: () => rude.close() });
  const { port: rudePort } = rude.address() as { port: number };
  const statuses: string[] = [];
  const sidecar = client([await freePort(), rudePort, await serve(mesh)], {
    random: () => 0,
    onStatus: ({ is }) => statuses.push(is),
  });
  const endpoints = await sidecar.resolve('CART.shop');
  assert.deepEqual(
    endpoints.map(({ port }) => port),
    [1, 2],
  );
  assert.deepEqual(statuses, ['connecting', 'waiting', 'connecting', 'waiting', 'connecting', 'connected']);
  assert.equal(sidecar.stats().connects, 3);
  assert.equal(sidecar.stats().held.vhds, 1);
  assert.equal(sidecar.endpoints('nothing.shop:80'), undefined);
});

test('an idle client connects when told to', async () => {
  const sidecar = client([await serve(new MemoryMesh())], { idle: true });
  assert.equal(sidecar.stats().connects, 0);
  await sidecar.start();
  assert.equal(sidecar.stats().connected, true);
});

test('read out of resources: targets of the route that takes everything, healthy endpoints, EDS names', () => {
  const body = encodeCanonical(VirtualHost, {
    name: 'outbound/a.shop:80',
    domains: ['a.shop'],
    routes: [
      { match: { prefix: '/admin' }, route: { cluster: 'admin' } },
      { match: { prefix: '/', headers: [{ name: 'x-canary', presentMatch: true }] }, route: { cluster: 'v2' } },
      {
        match: { prefix: '/' },
        route: {
          weightedClusters: {
            clusters: [
              { name: 'v1', weight: { value: 90 } },
              { name: 'v2', weight: { value: 10 } },
            ],
          },
        },
      },
    ],
  });
  assert.deepEqual(decodeVirtualHost(body), {
    name: 'outbound/a.shop:80',
    domains: ['a.shop'],
    targets: [
      { cluster: 'v1', weight: 90 },
      { cluster: 'v2', weight: 10 },
    ],
  });
  const { HealthStatus } = envoy.config.core.v3;
  const endpoint = (portValue: number, healthStatus: envoy.config.core.v3.HealthStatus) => ({
    endpoint: { address: { socketAddress: { address: '10.0.0.1', portValue } } },
    healthStatus,
    loadBalancingWeight: { value: portValue },
  });
  const assignment = encodeCanonical(ClusterLoadAssignment, {
    clusterName: 'a.shop:80',
    endpoints: [
      {
        locality: { region: 'r', zone: 'z' },
        lbEndpoints: [
          endpoint(1, HealthStatus.UNKNOWN),
          endpoint(2, HealthStatus.HEALTHY),
          endpoint(3, HealthStatus.UNHEALTHY),
          endpoint(4, HealthStatus.DRAINING),
        ],
      },
    ],
  });
  const { clusterName, endpoints } = decodeAssignment(assignment);
  assert.equal(clusterName, 'a.shop:80');
  assert.deepEqual(
    endpoints.map(({ port, weight, healthy, region, zone }) => [port, weight, healthy, region, zone]),
    [
      [1, 1, true, 'r', 'z'],
      [2, 2, true, 'r', 'z'],
      [3, 3, false, 'r', 'z'],
      [4, 4, false, 'r', 'z'],
    ],
  );
  assert.equal(decodeCluster(clusterBody('a.shop:80', 'c', true).body).eds, 'a.shop:80');
  assert.equal(decodeCluster(clusterBody('a.shop:80', 'c', false).body).eds, undefined);
});
