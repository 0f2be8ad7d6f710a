/** Which clusters that were asked for by name go with the last host that needs them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Asker } from '../../src/sidecar-client/asker.ts';
import { ClientSession } from '../../src/sidecar-client/session.ts';

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
