/**
 * Issue 4, section 1.2: an Envoy that speaks the state-of-the-world form is served what its service declares. Issue 7, 1.6: behind a relay
 * it has that too when it starts while the control plane is down.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { startRelay } from '../../src/agent/index.ts';
import { cleanUp, temporaryFolder } from '../cli/support/tendril.ts';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { endpointEvent, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';
import { Toys } from './toys.ts';

suite('state of the world', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let sidecar: Sidecar;

  const http = [{ port: 80, protocol: 'http' }];
  const declare = (to: string) => ({
    type: 'dependency.declared',
    data: { from: 'web.default', to: `${to}.default:80` },
  });
  const endpoint = async (name: string, id: string) => ({ id, ports: { 80: (await toys.http(name)).port } });
  const call = async (authority: string): Promise<string> => {
    const { status, headers } = await callHttp({ port: sidecar.outboundPort, authority });
    return status === 200 ? String(headers['x-backend']) : String(status);
  };

  before(async () => {
    mesh = await startMesh({ log: 'lmdb' });
    for (const name of ['cart', 'reviews'])
      await mesh.events(...serviceEvents(name, http, [await endpoint(name, `${name}-1`)]));
    await mesh.events(declare('cart'));
    sidecar = await mesh.sidecar({ service: 'web.default', id: 'web-1', stateOfTheWorld: true });
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
    cleanUp();
  });

  test('a declared service is called; one that is not declared is unknown', async () => {
    assert.equal(await call('cart.default'), 'cart');
    assert.equal(await call('reviews.default'), '404');
    assert.deepEqual((await sidecar.holds()).clusters, ['cart.default:80']);
  });

  test('an endpoint moves, a service is declared later, a canary is set, a service goes', async () => {
    await mesh.events(endpointEvent('cart', await endpoint('cart-moved', 'cart-2')), {
      type: 'endpoint.deregistered',
      data: { namespace: 'default', service: 'cart', id: 'cart-1' },
    });
    await eventually('the endpoint has moved', async () => (await call('cart.default')) === 'cart-moved');
    await mesh.events(declare('reviews'));
    await eventually('reviews are called', async () => (await call('reviews.default')) === 'reviews');
    const canary = await endpoint('reviews-v2', 'reviews-2');
    await mesh.events(endpointEvent('reviews', { ...canary, labels: { version: 'v2' } }));
    await mesh.docs(`kind: Upstream
metadata: {name: reviews}
spec: {subsets: {v2: {labels: {version: v2}}}}
---
kind: Route
metadata: {name: reviews}
spec: {to: {v2: {weight: 100}}}`);
    await eventually('all reviews are of version 2', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => call('reviews.default')));
      return answers.every((answer) => answer === 'reviews-v2');
    });
    await mesh.events({ type: 'service.deregistered', data: { namespace: 'default', name: 'cart' } });
    await eventually('cart is unknown', async () => (await call('cart.default')) === '404');
    await eventually('it holds what its routes use', async () => {
      const { clusters } = await sidecar.holds();
      return clusters.length === 1 && clusters[0] === 'reviews.default:80/v2';
    });
    await sidecar.assertHealthy();
  });

  test('what it holds, it holds for a reason', async () => {
    const rows = await mesh.resources(sidecar);
    assert.deepEqual(
      rows.filter(({ type }) => type === 'cds').map(({ name, state }) => `${name} ${state}`),
      ['reviews.default:80/v2 acked'],
    );
  });

  test('an Envoy restarted behind a relay without a control plane serves what it knew; what changed comes when one is back', async () => {
    const options = {
      listen: { host: '127.0.0.1', port: 0 },
      upstreams: [mesh.server.xds],
      mesh: 'default',
      cacheDir: temporaryFolder(),
    };
    // The last good listener is the one of this port.
    const { outboundPort } = sidecar;
    let relay = await startRelay(options);
    const start = async (): Promise<void> => {
      const input = { service: 'web.default', id: 'web-2', outboundPort, stateOfTheWorld: true };
      sidecar = await startSidecar(input, relay.address);
      await sidecar.envoy.live();
    };
    await sidecar.stop();
    await start();
    try {
      await eventually('reviews are called', async () => (await call('reviews.default')) === 'reviews-v2');
      await sidecar.quiet();
      const held = await sidecar.holds();
      await mesh.server.stop();
      await eventually('alone', () => relay.status().envoys[0]?.state === 'away');
      assert.equal(await call('reviews.default'), 'reviews-v2');
      await sidecar.envoy.kill();
      await relay.close();

      // Only what is on disk is left.
      relay = await startRelay(options);
      await start();
      assert.equal(await call('reviews.default'), 'reviews-v2');
      assert.deepEqual(await sidecar.holds(), held);
      await sidecar.assertHealthy();
      const [row] = relay.status().envoys;
      assert.deepEqual([row?.form, row?.state, row?.relayed, row?.refused], ['sotw', 'away', 0, 0]);

      await mesh.start();
      await eventually('messages pass', () => relay.status().envoys[0]?.state === 'up');
      await mesh.events(...serviceEvents('late', http, [await endpoint('late', 'late-1')]), declare('late'));
      await eventually('a new service is called', async () => (await call('late.default')) === 'late');
      assert.equal(await call('reviews.default'), 'reviews-v2');
      await sidecar.assertHealthy();
    } finally {
      await sidecar.stop();
      await relay.close();
    }
  });
});
