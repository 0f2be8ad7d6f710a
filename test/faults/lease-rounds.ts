/** F-lease-storm and F-clock of reference/reliability.md, section 4b: all heartbeats stop at once; clocks that jump while they come. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Leases } from '../../src/runtime/leases/index.ts';
import { type Core, recordingLogger, startCore } from '../admin/core.ts';
import { faultRun } from './fault-run.ts';

const TTL = 10_000;
const HOUR = 3_600_000;
const SOURCE = 'lease:local';

interface Time {
  real: number;
  wall: number;
}

const open = async (
  context: TestContext,
  counts: readonly number[],
): Promise<{ readonly core: Core; readonly leases: Leases; readonly time: Time; readonly restart: () => Leases }> => {
  const time = { real: 0, wall: Date.UTC(2026, 0, 1) };
  const core = await startCore(context, { now: () => time.wall });
  const { fold } = core.projector;
  const restart = (): Leases =>
    new Leases({
      state: fold,
      ingest: core.ingest,
      others: undefined,
      term: async () => {
        if (fold.keeperEpoch('edges') === 0)
          await core.ingest.submit({
            events: [{ type: 'keeper.elected', data: { keeper: 'edges', epoch: 1, holder: 'test' } }],
            caller: 'tendril',
            internal: true,
          });
        return fold.keeperEpoch('edges');
      },
      refuse: () => undefined,
      monotonic: () => time.real,
      logger: recordingLogger(),
    });
  for (const [at, count] of counts.entries())
    await core.ingest.submit({
      events: Array.from({ length: count }, (_, id) => ({
        type: 'endpoint.registered',
        source: SOURCE,
        data: {
          namespace: 'shop',
          service: `svc-${at}`,
          id: `e${id}`,
          address: '10.0.0.1',
          lease: { ttlMs: TTL, holder: 'h' },
        },
      })),
      caller: SOURCE,
    });
  return { core, leases: restart(), time, restart };
};

/** 1,000 leases fall silent; half-way the control plane starts again and knows only its log. */
export const stormRounds = async (context: TestContext): Promise<void> => {
  const counts = Array.from({ length: 42 }, (_, at) => 1 + ((at * 8) % 49));
  const { core, leases, time, restart } = await open(context, counts);
  const { fold } = core.projector;
  const run = async (keeper: Leases, seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      time.real += 1_000;
      await keeper.round();
    }
  };
  await run(leases, 30);
  const again = restart();
  await run(again, 30);
  for (const [at, count] of counts.entries())
    assert.equal(fold.endpointCount(`svc-${at}.shop`), count - Math.floor(count / 2), `of ${count}`);
  assert.equal(again.panics.length, counts.length);
  // Heartbeats are back: whoever is still there renews, the others register anew.
  for (const lease of fold.leases()) if (lease.expired !== true) again.renew(lease, 'heartbeat');
  await run(again, 1);
  assert.equal(again.panics.length, 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  context.diagnostic(
    `${total} leases of ${counts.length} services, ${leases.counters.expired} out, 0 after the restart`,
  );
  assert.equal(again.counters.expired, 0);
};

/** Holders renew in time, while the wall clock jumps and the process stands still now and then. */
export const leaseClockRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('LEASE_CLOCK', count);
  const { core, leases, time } = await open(context, [20, 20]);
  const { fold } = core.projector;
  for (let round = 0; round < run.count; round++) {
    const what = run.random();
    if (what < 0.1) time.wall += HOUR;
    else if (what < 0.2) time.wall -= HOUR;
    else if (what < 0.3) time.real += run.between(3_000, HOUR);
    time.real += 1_000;
    time.wall += run.random() < 0.5 ? 2_000 : 500;
    // e0 of the first service is dead.
    for (const lease of fold.leases())
      if (lease.expired !== true && round % 3 === 0 && !(lease.id === 'e0' && lease.service === 'svc-0.shop'))
        leases.renew(lease, 'heartbeat');
    await leases.round();
  }
  assert.equal(fold.endpointCount('svc-0.shop'), 19, 'the dead one, and no other');
  assert.equal(fold.endpointCount('svc-1.shop'), 20);
  context.diagnostic(`${run.count} rounds, 40 leases, 0 wrong expiries`);
};
