/**
 * Issue 3, section 8.4: kill -9 of the core, of the worker, of everything. Traffic to known services goes on without one error, and the
 * sidecar that comes back is sent nothing that it holds already.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { startTraffic, type Traffic } from './traffic.ts';

const KNOWN = ['known-a', 'known-b', 'known-c'];

/** What the sidecar was told since it was started, as Envoy counts it. */
interface Told {
  readonly clusters: number;
  readonly listeners: number;
  readonly routes: number;
  readonly assignments: number;
}

suite('restart', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let sidecar: Sidecar;
  let traffic: Traffic;

  before(async () => {
    mesh = await startMesh({ workers: 1, log: 'lmdb', child: true });
    for (const name of [...KNOWN, 'fresh-1', 'fresh-2'])
      await mesh.events(
        ...serviceEvents(
          name,
          [{ port: 80, protocol: 'http' }],
          [{ id: `${name}-1`, ports: { 80: (await toys.http(name)).port } }],
        ),
      );
    sidecar = await mesh.sidecar({ service: 'caller.default' });
    for (const name of KNOWN) assert.equal((await call(name)).status, 200);
    // Learned edges are in the log: what the next worker preloads does not depend on this stream.
    await eventually('the edges are learned', async () => {
      const { body } = await mesh.request('GET', '/v1/graph?focus=caller.default&depth=1');
      return (body.edges as readonly unknown[]).length === KNOWN.length;
    });
    await sidecar.quiet();
    traffic = startTraffic(KNOWN.map((name) => ({ port: sidecar.outboundPort, authority: `${name}.default` })));
    await traffic.more(20);
  });
  afterEach(async () => {
    await traffic.more(20);
    assert.deepEqual(traffic.failures(), []);
    await sidecar.assertHealthy();
  });
  after(async () => {
    await traffic?.stop();
    await mesh?.stop();
    await toys.close();
  });

  const call = (name: string, path = '/') =>
    callHttp({ port: sidecar.outboundPort, authority: `${name}.default`, path });
  const told = async (): Promise<Told> => ({
    clusters: await sidecar.stat(/^cluster_manager\.cluster_(added|modified|removed|updated)$/),
    listeners: await sidecar.stat(/^listener_manager\.listener_(added|modified|removed|in_place_updated)$/),
    routes: await sidecar.stat(/vhds\.outbound\.config_reload$/),
    assignments: await sidecar.stat(/^cluster\.[^.]*known[^.]*\..*update_success$/),
  });
  const isConnected = async (): Promise<boolean> => (await sidecar.stat(/^control_plane\.connected_state$/)) === 1;
  /** Back on a stream of the server as it is now, and nothing more is on its way. */
  const back = async (since: number): Promise<void> => {
    await eventually('the control plane is ready', async () => {
      const answer = await mesh.request('GET', '/readyz').catch(() => undefined);
      return answer?.status === 200;
    });
    await eventually('the sidecar is back', async () => {
      const row = await mesh.proxy(sidecar);
      return (
        row?.connectedAt !== undefined &&
        Date.parse(row.connectedAt) >= since &&
        row.state === 'in-sync' &&
        isConnected()
      );
    });
    await sidecar.quiet(500);
  };
  const assertNothingSent = async (before: Told): Promise<void> => {
    const row = await mesh.proxy(sidecar);
    assert.deepEqual([row?.streams, row?.resources], [1, 0], 'resources on the new stream');
    assert.deepEqual(await told(), before);
  };

  test('of the core: the stream lives on, a new service is answered meanwhile, and changes flow again afterwards', async () => {
    const connected = await mesh.proxy(sidecar);
    const { core, workers } = await mesh.server.pids();
    assert.ok(core !== undefined && workers.length === 1);
    process.kill(core, 'SIGKILL');
    assert.equal((await call('fresh-1')).status, 200, 'answered by the worker alone');
    await traffic.more(50);
    await eventually('another core is ready', async () => {
      const answer = await mesh.request('GET', '/readyz').catch(() => undefined);
      return answer?.status === 200 && (await mesh.server.pids()).core !== core;
    });
    assert.deepEqual((await mesh.server.pids()).workers, workers);
    await eventually('the new core knows the sidecar', async () => (await mesh.proxy(sidecar)) !== undefined);
    assert.equal((await mesh.proxy(sidecar))?.connectedAt, connected?.connectedAt, 'the same stream');
    await eventually('the edge seen without a core is in the log', async () => {
      const { body } = await mesh.request('GET', '/v1/graph?focus=caller.default&depth=1');
      return JSON.stringify(body.edges).includes('fresh-1.default');
    });
    const moved = await toys.http('fresh-1-moved');
    await mesh.events({
      type: 'endpoint.registered',
      data: {
        namespace: 'default',
        service: 'fresh-1',
        id: 'fresh-1-1',
        address: '127.0.0.1',
        ports: { 80: moved.port },
      },
    });
    await eventually(
      'the change arrives',
      async () => (await call('fresh-1')).headers['x-backend'] === 'fresh-1-moved',
      2_000,
    );
  });

  test('of the worker: the sidecar is back on the next one and gets no resource', async () => {
    const before = await told();
    const { core, workers } = await mesh.server.pids();
    const [worker] = workers;
    assert.ok(worker !== undefined);
    const since = Date.now();
    process.kill(worker, 'SIGKILL');
    await back(since);
    const now = await mesh.server.pids();
    assert.equal(now.core, core);
    assert.notDeepEqual(now.workers, workers);
    await assertNothingSent(before);
    assert.equal((await call('fresh-2')).status, 200, 'new services are answered');
  });

  test('of everything: the sidecar is back after the restart and gets no resource', async () => {
    await sidecar.quiet();
    const before = await told();
    const bytesBefore = (await sidecar.wireBytes()).received;
    await mesh.server.killAll();
    await traffic.more(100);
    assert.equal(await isConnected(), false);
    const since = Date.now();
    await mesh.start();
    await back(since);
    await assertNothingSent(before);
    const bytes = (await sidecar.wireBytes()).received - bytesBefore;
    assert.ok(bytes < 1_500, `${bytes} bytes received: headers and empty answers, no resource`);
  });

  test('of everything, and one Route changed before it is back: it gets this virtual host only', async () => {
    const before = await told();
    await mesh.server.killAll();
    // The control plane lives again where the sidecar does not look for it.
    await mesh.start({ host: '127.0.0.1', port: await freePort() });
    await mesh.docs('kind: Route\nmetadata: {name: known-b}\nspec: {timeout: 300ms}');
    await mesh.server.killAll();
    await traffic.more(50);
    const since = Date.now();
    await mesh.start();
    await back(since);
    const row = await mesh.proxy(sidecar);
    assert.deepEqual([row?.streams, row?.resources], [1, 1], 'resources on the new stream');
    const sent = (await mesh.resources(sidecar)).filter(
      ({ sentAt }) => sentAt !== undefined && Date.parse(sentAt) >= since,
    );
    assert.deepEqual(
      sent.map(({ type, name }) => `${type} ${name}`),
      ['vhds outbound/known-b.default:80'],
    );
    const { routes, ...others } = await told();
    const { routes: routesBefore, ...othersBefore } = before;
    assert.deepEqual(others, othersBefore);
    assert.equal(routes - routesBefore, 1);
    assert.equal((await call('known-b', '/?delay=1500')).status, 504, 'and it holds');
  });
});

suite('restart of one worker of two', { skip: requirePart('envoy') }, () => {
  test('its sidecars go to the other one, and a third takes its place', async () => {
    const toys = new Toys();
    const mesh = await startMesh({ workers: 2 });
    try {
      for (const name of ['known', 'fresh'])
        await mesh.events(
          ...serviceEvents(
            name,
            [{ port: 80, protocol: 'http' }],
            [{ id: `${name}-1`, ports: { 80: (await toys.http(name)).port } }],
          ),
        );
      const sidecars: Sidecar[] = [];
      for (let index = 0; index < 4; index++) sidecars.push(await mesh.sidecar({ service: `caller-${index}.default` }));
      const known = sidecars.map(({ outboundPort: port }) => ({ port, authority: 'known.default' }));
      const traffic = startTraffic(known);
      await traffic.more(20);
      for (const round of [0, 1]) {
        const { workers } = await mesh.server.pids();
        const victim = workers[round];
        assert.ok(workers.length === 2 && victim !== undefined);
        process.kill(victim, 'SIGKILL');
        await eventually('two workers again', async () => {
          const now = (await mesh.server.pids()).workers;
          return now.length === 2 && !now.includes(victim);
        });
        await eventually('all are connected', async () => {
          const { body } = await mesh.request('GET', '/v1/proxies');
          const rows = body.proxies as readonly { readonly state: string }[];
          return rows.length === sidecars.length && rows.every(({ state }) => state === 'in-sync');
        });
        await traffic.more(20);
      }
      for (const { outboundPort: port } of sidecars)
        assert.equal((await callHttp({ port, authority: 'fresh.default' })).status, 200);
      await traffic.stop();
      assert.deepEqual(traffic.failures(), []);
      for (const sidecar of sidecars) await sidecar.assertHealthy();
    } finally {
      await mesh.stop();
      await toys.close();
    }
  });
});
