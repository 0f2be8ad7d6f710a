/** The limits of src/sidecar-client/http/connections.ts when connections break while others wait. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UpstreamCluster } from '../../../src/sidecar-client/calls/index.ts';
import { Connections } from '../../../src/sidecar-client/http/connections.ts';
import { H2Pool } from '../../../src/sidecar-client/http/h2-pool.ts';
import type { Lease } from '../../../src/sidecar-client/http/pool.ts';

test('connections: the limit holds when the last one that waits gets a new connection for one that broke', async (t) => {
  const endpoint = { key: '127.0.0.1:1' };
  const cluster = {
    onChange: () => () => undefined,
    maxPending: 10,
    maxConnections: 1,
    maxConnectionsPerEndpoint: 1,
    maxRequestsPerConnection: 1_000,
    connectTimeoutMs: 1_000,
    endpoints: () => [endpoint],
  } as unknown as UpstreamCluster;
  const connections = new Connections(cluster);
  t.after(() => connections.close());
  const leases: Lease[] = [];
  const acquire = (): unknown => connections.acquire(endpoint as never, (lease) => leases.push(lease));
  acquire();
  acquire();
  leases[0]?.release(false);
  assert.deepEqual([leases.length, connections.open], [2, 1]);
  acquire();
  assert.deepEqual([leases.length, connections.open], [2, 1]);
  leases[1]?.release(true);
  assert.deepEqual([leases.length, connections.open], [3, 1]);
});

test('connections, h2-pool: of an endpoint whose calls were all too many nothing stays', async (t) => {
  for (const Pool of [Connections, H2Pool]) {
    let asked = 0;
    let change = (): void => undefined;
    const cluster = {
      onChange: (listener: () => void) => {
        change = listener;
        return () => undefined;
      },
      maxPending: 0,
      endpoints: () => {
        asked += 1;
        return [];
      },
    } as unknown as UpstreamCluster;
    Object.assign(cluster, { protocol: Pool === H2Pool ? 2 : 1 });
    const pool = new Pool(cluster);
    t.after(() => pool.close());
    assert.equal(
      pool.acquire({ key: '127.0.0.1:1' } as never, () => assert.fail()),
      'overflow',
    );
    change();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    assert.equal(asked, 0, `${Pool.name} looks for what is left of a place that it never used`);
  }
});
