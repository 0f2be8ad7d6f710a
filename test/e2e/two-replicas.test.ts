/**
 * F-gray and moving between replicas, with a real Envoy that knows two addresses: the control plane it is at stands still (SIGSTOP of all
 * its processes; its kernel goes on accepting). Equal logs give equal bytes, so two control planes that were told the same stand for two
 * replicas of one log; those on Kafka are in test/kafka.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { Toys } from './toys.ts';
import { startTraffic, type Traffic } from './traffic.ts';

suite('two replicas', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  const meshes: Mesh[] = [];
  let sidecar: Sidecar;
  let traffic: Traffic;
  /** Where the sidecar is, and the other one. */
  let here: Mesh;
  let there: Mesh;
  const stopped: number[] = [];

  const signal = (name: NodeJS.Signals): void => {
    for (const pid of stopped) process.kill(pid, name);
  };

  before(async () => {
    for (let at = 0; at < 2; at++) meshes.push(await startMesh({ workers: 1, child: true }));
    const known = await toys.http('known');
    for (const mesh of meshes)
      await mesh.events(
        ...serviceEvents('known', [{ port: 80, protocol: 'http' }], [{ id: 'known-1', ports: { 80: known.port } }]),
      );
    sidecar = await startSidecar(
      { service: 'caller.default' },
      meshes.map(({ server }) => server.xds),
    );
    await sidecar.envoy.live();
    const call = await callHttp({ port: sidecar.outboundPort, authority: 'known.default', path: '/' });
    assert.equal(call.status, 200);
    const found: Mesh[] = [];
    for (const mesh of meshes) if ((await mesh.proxy(sidecar)) !== undefined) found.push(mesh);
    [here = assert.fail('at none')] = found;
    there = meshes.find((mesh) => mesh !== here) ?? assert.fail('no other');
    // As through the log that two replicas share.
    await there.request('PUT', '/v1/graph/edges/caller.default/known.default:80', { action: 'declare' });
    traffic = startTraffic([{ port: sidecar.outboundPort, authority: 'known.default' }]);
    await traffic.more(20);
  });
  after(async () => {
    signal('SIGCONT');
    await traffic?.stop();
    await sidecar?.stop();
    for (const mesh of meshes) await mesh.stop();
    await toys.close();
  });

  test('the sidecar leaves a control plane that stands still, gets no resource at the other, and follows that one', async (t) => {
    await sidecar.quiet();
    const { core, workers } = await here.server.pids();
    stopped.push(...workers, ...(core === undefined ? [] : [core]));
    const since = Date.now();
    signal('SIGSTOP');
    await eventually('the sidecar is at the other one', async () => (await there.proxy(sidecar)) !== undefined, 60_000);
    t.diagnostic(`moved after ${Date.now() - since} ms`);
    await sidecar.quiet();
    const row = await there.proxy(sidecar);
    assert.deepEqual([row?.streams, row?.resources], [1, 0]);
    const moved = await toys.http('known-moved');
    await there.events(endpointEvent('known', { id: 'known-1', ports: { 80: moved.port } }));
    const atNew = async (): Promise<boolean> =>
      (await sidecar.hosts('known.default:80')).every(({ port }) => port === moved.port);
    await eventually('the change of the other one is there', atNew);
    signal('SIGCONT');
    stopped.length = 0;
    // The one that wakes up knows older versions: nobody hears of them.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    assert.ok(await atNew());
    await traffic.more(50);
    assert.deepEqual(traffic.failures(), []);
    await sidecar.assertHealthy();
  });
});
