/** Which sessions hold resources of some services (src/delta-xds/holders.ts). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdersOf } from '../../src/delta-xds/holders.ts';
import type { StreamSession } from '../../src/delta-xds/stream-session.ts';

/** A session that holds clusters of `count` services, and those it is concerned with. */
const sessionOf = (id: string, count: number): StreamSession => {
  const services = Array.from({ length: count }, (_, index) => `svc-${index}.shop`);
  return {
    facts: { id, caller: 'web.shop', namespace: 'shop', proxyless: false },
    subjects: new Set(services),
    resources: () => services.map((service) => ({ type: 'cds', name: `${service}:80`, version: 'v' })),
  } as unknown as StreamSession;
};

test('many sessions are looked at over several turns', async () => {
  let turns = 0;
  const count = (): void => {
    turns++;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const sessions = Array.from({ length: 4 }, (_, index) => sessionOf(`web-${index}`, 10_000));
  const holders = await holdersOf(sessions, new Set(['svc-1.shop', 'svc-2.shop']));
  clearImmediate(timer);
  assert.deepEqual(
    holders.map(({ node, ports, resources }) => [node, ports, resources]),
    sessions.map(({ facts }) => [facts.id, ['svc-1.shop:80', 'svc-2.shop:80'], 2]),
  );
  assert.ok(turns > 0);
});
