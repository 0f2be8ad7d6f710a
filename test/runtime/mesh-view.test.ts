/** The mesh as one Envoy sees it, over the real read model. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MeshSource } from '../../src/runtime/mesh-source.ts';
import { nodeOf } from '../delta-xds/support/memory-mesh.ts';
import { feed, openModel, tempDir, withSystem } from '../projector/harness.ts';
import { endpoint, registered } from '../projector/mesh-events.ts';

// Found by the simulation, seed 10063: whoever had held its virtual host kept an empty cluster of it for good.
test('a port that its service has no longer needs no cluster', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const http = { port: 80, protocol: 'http' as const };
    const tcp = { port: 6379, protocol: 'tcp' as const };
    await feed(system, registered('cart', { ports: [http, { ...http, port: 81 }, tcp] }), endpoint('cart', 'cart-1'));
    const model = await openModel(dir);
    const view = new MeshSource(model).attach(nodeOf('web.shop'), 'delta');
    const clusters = () => ['cart.shop:80', 'cart.shop:81', 'cart.shop:6379'].map((port) => view.clustersOf(port));
    assert.deepEqual(clusters(), [['cart.shop:80'], ['cart.shop:81'], ['cart.shop:6379']]);
    await feed(system, registered('cart', { ports: [http] }));
    // Reads of one turn see one commit.
    await turn();
    assert.deepEqual(clusters(), [['cart.shop:80'], [], []]);
    await model.close();
  });
});
