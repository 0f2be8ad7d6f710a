/** Leases over HTTP: registering, heartbeats, other holders, the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Core, call, service, startCore } from './core.ts';

const AT = '/v1/services/shop/cart/endpoints/a';
const DATA = { address: '10.0.0.1', labels: { version: 'v1' } };

const started = async (t: Parameters<typeof startCore>[0]): Promise<Core> => {
  const core = await startCore(t);
  assert.equal((await call(core, 'POST', '/v1/events', { events: [service('cart')] })).status, 200);
  return core;
};

const beat = (core: Core, holder: string, more: object = {}) =>
  call(core, 'POST', `${AT}:heartbeat`, { holder, ...more });

test('a lease: registered, renewed without events, shown, ended', async (t) => {
  const core = await started(t);
  const made = await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, DATA);
  assert.equal(made.status, 200, made.text);
  assert.deepEqual(made.body.lease, { ttlMs: 30_000, holder: 'h1', heartbeatMs: 10_000 });
  const { offset } = core.log.head();
  const again = await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, DATA);
  assert.deepEqual([again.status, again.body.offsets, again.body.lease], [200, [], made.body.lease]);
  const alive = await beat(core, 'h1');
  assert.deepEqual([alive.status, alive.body], [200, { ttlMs: 30_000 }]);
  assert.equal((await beat(core, 'h1', { health: 'healthy' })).body.offset, undefined);
  assert.equal(core.log.head().offset, offset, 'nothing was written');
  const shown = (await call(core, 'GET', '/v1/services/shop/cart')).body;
  assert.equal(shown.endpoints[0].lease.ttlMs, 30_000);
  assert.equal(shown.endpoints[0].lease.holder, 'h1');
  assert.equal((await call(core, 'DELETE', `${AT}?holder=h1`)).status, 200);
  assert.equal(core.projector.fold.leaseCount, 0);
  assert.equal((await beat(core, 'h1')).body.code, 'LEASE_UNKNOWN');
  assert.equal((await call(core, 'DELETE', AT)).body.code, 'ENDPOINT_UNKNOWN');
});

test('a change of health is an event of the source of the lease, once', async (t) => {
  const core = await started(t);
  await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, DATA);
  const sick = await beat(core, 'h1', { health: 'unhealthy' });
  assert.equal(sick.body.offset, core.log.head().offset);
  assert.equal((await beat(core, 'h1', { health: 'unhealthy' })).body.offset, undefined);
  assert.equal(core.projector.fold.endpoint('cart.shop', 'a')?.health, 'unhealthy');
  assert.notEqual((await beat(core, 'h1', { health: 'healthy' })).body.offset, undefined);
  assert.equal(core.projector.fold.endpoint('cart.shop', 'a')?.health, 'healthy');
});

test('the latest registration takes the lease over, and the older holder is told who has it', async (t) => {
  const core = await started(t);
  await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, DATA);
  const other = await call(core, 'PUT', `${AT}?lease=30s&holder=h2`, DATA);
  assert.equal(other.body.offsets.length, 1);
  const late = await beat(core, 'h1');
  assert.deepEqual([late.status, late.body.code], [409, 'LEASE_TAKEN']);
  assert.match(late.body.detail, /"h2"/);
  assert.equal((await call(core, 'DELETE', `${AT}?holder=h1`)).body.code, 'LEASE_TAKEN');
  assert.equal((await beat(core, 'h2')).status, 200);
});

test('a word without a lease stands beside that of the lease; DELETE ends both', async (t) => {
  const core = await started(t);
  await call(core, 'PUT', AT, DATA);
  await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, DATA);
  const ended = await call(core, 'DELETE', AT);
  assert.equal(ended.status, 200, ended.text);
  assert.equal(core.projector.fold.endpoint('cart.shop', 'a'), undefined);
  assert.equal(core.projector.fold.leaseCount, 0);
});

test('defaults that are said, or not, are the same data: registering again writes nothing', async (t) => {
  const core = await started(t);
  const said = { address: '10.0.0.1', health: 'healthy', weight: 1, labels: {} };
  for (const data of [said, { address: '10.0.0.1' }, said])
    assert.equal((await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, data)).status, 200);
  const { offset } = core.log.head();
  assert.deepEqual((await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, { address: '10.0.0.1' })).body.offsets, []);
  assert.deepEqual((await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, said)).body.offsets, []);
  assert.equal(core.log.head().offset, offset);
  const heavier = await call(core, 'PUT', `${AT}?lease=30s&holder=h1`, { ...said, weight: 2 });
  assert.equal(heavier.body.offsets.length, 1);
});

test('the lease of another caller is withdrawn as the remedy of LEASES_PANIC says: by an event of its source', async (t) => {
  const core = await started(t);
  const data = { namespace: 'shop', service: 'cart', id: 'a' };
  const registered = { ...data, address: '10.0.0.1', lease: { ttlMs: 30_000, holder: 'h' } };
  const made = { type: 'endpoint.registered', source: 'lease:other', data: registered };
  assert.equal((await call(core, 'POST', '/v1/events', { events: [made] })).status, 200);
  const refused = await call(core, 'DELETE', AT);
  assert.deepEqual([refused.status, /lease:other/.test(refused.text)], [409, true], refused.text);
  const ended = await call(core, 'POST', '/v1/events', {
    events: [{ type: 'endpoint.deregistered', source: 'lease:other', data }],
  });
  assert.equal(ended.status, 200, ended.text);
  assert.equal(core.projector.fold.leaseCount, 0);
});
