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

test('pending: assignments not taken as they are now, by those who do not refuse them', async () => {
  const session = (id: string, rows: readonly object[]): StreamSession =>
    ({
      facts: { id, caller: 'web.shop', namespace: 'shop', proxyless: false },
      subjects: new Set(['cart.shop']),
      resources: () => rows,
    }) as unknown as StreamSession;
  const eds = { type: 'eds', name: 'cart.shop:80', version: 'v2', acked: 'v2' };
  const behind = session('behind', [eds]);
  const sessions = [
    session('took it', [eds, { ...eds, name: 'cart.shop:81' }]),
    session('was sent it', [{ ...eds, acked: 'v1' }, eds]),
    session('will be sent it', [{ ...eds, due: true }]),
    session('refuses it', [{ ...eds, acked: 'v1', refused: 'v2' }]),
    session('is to give it back', [{ ...eds, version: '' }]),
    // Envoy withholds the answer about clusters while one of them warms: it says nothing of endpoints.
    session('warms', [{ type: 'cds', name: 'cart.shop:80', version: 'v2' }, eds]),
    session('of another', [{ ...eds, name: 'pay.shop:80', acked: 'v1' }, eds]),
    behind,
  ];
  const holders = await holdersOf(sessions, new Set(['cart.shop']), new Set([behind]));
  assert.deepEqual(Object.fromEntries(holders.map(({ node, pending }) => [node, pending])), {
    'took it': 0,
    'was sent it': 1,
    'will be sent it': 1,
    'refuses it': 0,
    'is to give it back': 1,
    warms: 0,
    'of another': 0,
    behind: 1,
  });
});
