/** When a replica refuses signs of life: it is alone for 30 s, whether or not anybody asked it before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLeases } from '../../../src/runtime/leases/index.ts';
import { recordingLogger } from '../../admin/core.ts';

test('after a long quiet time the first heartbeat in a short interruption is taken; after 30 s it is refused', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const log = { condition: { state: 'ok' } };
  const leases = openLeases({
    log,
    state: {},
    ingest: {},
    keeping: {},
    group: { hearsKeeper: false, keeper: () => 'theirs', voters: () => [] },
    out: () => undefined,
    logger: recordingLogger(),
  } as unknown as Parameters<typeof openLeases>[0]);
  const lease = { service: 'cart.shop', id: 'a', source: 'lease:local', ttlMs: 10_000, offset: 1, holder: 'h' };
  const run = async (seconds: number) => {
    for (let at = 0; at < seconds; at += 1) {
      now += 1_000;
      await leases.round();
    }
  };
  await run(120);
  log.condition.state = 'away';
  await run(2);
  leases.renew(lease, 'heartbeat');
  await run(30);
  assert.throws(() => leases.renew(lease, 'heartbeat'), { code: 'LEASE_REPLICA_ALONE' });
});
