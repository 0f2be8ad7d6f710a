/** Issue 5, section 2.5: a real Envoy that calls everything holds everything before its first request, and is served by delta. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import { Toys } from './toys.ts';

const SERVICES = 300;
const HTTP = [{ port: 80, protocol: 'http' }];

suite('gateway', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let port: number;

  before(async () => {
    mesh = await startMesh();
    port = (await toys.http('toy')).port;
    for (let index = 0; index < SERVICES; index++)
      await mesh.events(...serviceEvents(`svc-${index}`, HTTP, [{ id: `svc-${index}-1`, ports: { 80: port } }]));
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  test('it holds all services, asks nothing for any first request, and one change is one resource', async () => {
    const gateway = await mesh.sidecar({ service: 'gateway.default', id: 'gateway-1', needs: 'all' });
    await eventually('it holds everything', async () => {
      const { clusters, endpoints, virtualHosts } = await gateway.holds();
      return clusters.length === SERVICES && endpoints.length === SERVICES && virtualHosts.length === SERVICES;
    });
    await gateway.quiet();
    const start = await gateway.wireBytes();
    for (const index of [0, 1, 150, SERVICES - 1]) {
      const { status } = await callHttp({ port: gateway.outboundPort, authority: `svc-${index}.default` });
      assert.equal(status, 200);
    }
    await gateway.quiet();
    assert.deepEqual(await gateway.wireBytes(), start, 'not one byte went to the control plane');

    const resources = (await mesh.proxy(gateway))?.resources ?? 0;
    await mesh.events(endpointEvent('svc-5', { id: 'svc-5-2', ports: { 80: (await toys.http('second')).port } }));
    await eventually('it has the new endpoint', async () => (await gateway.hosts('svc-5.default:80')).length === 2);
    assert.equal((await mesh.proxy(gateway))?.resources, resources + 1);

    await mesh.events(...serviceEvents('late', HTTP, [{ id: 'late-1', ports: { 80: port } }]));
    await eventually('a new service comes by itself', async () =>
      (await gateway.holds()).virtualHosts.includes('late.default:80'),
    );
    assert.equal((await callHttp({ port: gateway.outboundPort, authority: 'late.default' })).status, 200);
    await mesh.events({ type: 'service.deregistered', data: { namespace: 'default', name: 'late' } });
    await eventually('and goes', async () => {
      const { clusters, virtualHosts } = await gateway.holds();
      return clusters.length === SERVICES && virtualHosts.length === SERVICES;
    });

    const sibling = await mesh.sidecar({ service: 'gateway.default', id: 'gateway-2' });
    await sibling.quiet();
    assert.deepEqual((await sibling.holds()).clusters, [], 'a sibling that needs nothing has nothing of it');
    for (const sidecar of [gateway, sibling]) await sidecar.assertHealthy();
  });
});
