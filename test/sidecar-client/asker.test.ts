/** Which clusters that were asked for by name go with the last host that needs them; hosts between two answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Asker } from '../../src/sidecar-client/asker.ts';
import type { Connection } from '../../src/sidecar-client/connection.ts';
import { ClientSession } from '../../src/sidecar-client/session.ts';
import { Pair } from './joined-pair.ts';

test('forget gives the clusters that nobody else needs', (t) => {
  const session = new ClientSession({
    node: {
      id: 'n',
      cluster: 'web.shop',
      metadata: {},
      locality: { region: '', zone: '', subzone: '' },
      userAgentName: 'test',
      clientFeatures: [],
    },
  });
  const asker = new Asker(session);
  t.after(() => asker.close());
  const need = (cluster: string, host?: string): void => void asker.cluster(cluster, host).catch(() => undefined);
  session.restore({ cds: [], eds: [], vhds: [], hosts: [], clusters: ['earlier', 'kept'], isChecked: true });
  need('stock|v2', 'cart');
  need('stock|v2', 'pay');
  need('kept', 'pay');
  need('tcp:1');
  assert.deepEqual(session.asked().clusters, ['earlier', 'kept', 'stock|v2', 'tcp:1']);
  assert.deepEqual(asker.forget('cart'), ['cart']);
  assert.deepEqual(asker.forget('kept'), []);
  assert.deepEqual(asker.forget('earlier'), ['earlier']);
  assert.deepEqual(asker.forget('pay'), ['stock|v2', 'kept', 'pay']);
  assert.deepEqual(asker.forget('tcp:1'), ['tcp:1']);
});

test('a host that needed no question is waited for while its domain moves, and not said to be unknown', async (t) => {
  const pair = new Pair();
  pair.world.service('cart.shop:80', ['x.example']);
  pair.world.service('pay.shop:80');
  pair.connect();
  const asker = new Asker(pair.client);
  t.after(() => asker.close());
  const run = pair.run.bind(pair);
  pair.run = (effects) => {
    run(effects);
    for (const effect of effects) if (effect.kind !== 'request') asker.onEffect(effect);
  };
  asker.attach({ run: (effects) => pair.run(effects) } as Connection);
  const cart = asker.ask('cart.shop');
  pair.settle();
  await cart;
  assert.equal((await asker.ask('x.example'))?.name, 'outbound/cart.shop:80');
  pair.world.service('cart.shop:80');
  pair.world.service('pay.shop:80', ['x.example']);
  pair.wake();
  for (let turn = 0; turn < 100 && pair.client.virtualHostOf('x.example') !== undefined; turn++)
    if (!pair.stepDown()) pair.stepUp();
  assert.equal(pair.client.virtualHostOf('x.example'), undefined);
  const between = asker.ask('x.example');
  pair.settle();
  assert.equal((await between)?.name, 'outbound/pay.shop:80');
});
