/** `?at=` over HTTP: every read answers as it would have then, and says of when it is. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Core, call, endpoint, routeDocument, service, startCore } from './core.ts';

const START = Date.parse('2026-05-01T12:00:00Z');

/** Each event a minute after the one before; the first is at `START`. */
const mesh = async (t: TestContext): Promise<Core & { append: (...events: object[]) => Promise<number> }> => {
  let now = START - 60_000;
  const core = await startCore(t, { now: () => now });
  const append = async (...events: object[]): Promise<number> => {
    now += 60_000;
    const { body } = await call(core, 'POST', '/v1/events', { events });
    return body.offsets.at(-1);
  };
  return { ...core, append };
};

const applied = (name: string, spec: object) => ({
  type: 'policy.applied',
  data: { document: routeDocument(name, spec) },
});

const minutes = (count: number): string => new Date(START + count * 60_000).toISOString();

test('documents of then: one, the list, in pages; those that are deleted since too', async (t) => {
  const core = await mesh(t);
  await core.append(applied('cart', { timeout: '1s' }));
  await core.append(applied('web', { timeout: '2s' }));
  await core.append(applied('cart', { timeout: '3s' }));
  await core.append({ type: 'policy.deleted', data: { kind: 'Route', namespace: 'shop', name: 'cart' } });
  const first = await call(core, 'GET', '/v1/docs/Route/shop/cart?at=2');
  assert.equal(first.body.document.spec.timeout, '1s');
  assert.deepEqual(first.body.at, { offset: 2, time: minutes(1) });
  assert.equal(first.headers.get('etag'), '"1"');
  // By time: that of the question is told.
  const between = await call(core, 'GET', `/v1/docs/Route/shop/cart?at=${START + 125_000}`);
  assert.equal(between.body.document.spec.timeout, '3s');
  assert.deepEqual(between.body.at, { offset: 3, time: new Date(START + 125_000).toISOString() });
  assert.equal((await call(core, 'GET', '/v1/docs/Route/shop/cart')).status, 404);
  assert.equal((await call(core, 'GET', '/v1/docs/Route/shop/cart?at=4')).status, 404);
  const page = await call(core, 'GET', '/v1/docs?at=3&limit=1');
  assert.deepEqual([page.body.docs.length, page.body.docs[0].name, page.body.next], [1, 'cart', 'Route/shop/cart']);
  const next = await call(core, 'GET', `/v1/docs?at=3&limit=1&next=${page.body.next}`);
  assert.deepEqual([next.body.docs[0].name, next.body.next], ['web', undefined]);
  assert.deepEqual((await call(core, 'GET', '/v1/docs?at=0')).body.docs, []);
  // Everything here is from May: hours ago the log had it all.
  assert.equal((await call(core, 'GET', '/v1/docs?at=2h')).body.at.offset, 4);
});

test('services of then, with the endpoints and what was in force', async (t) => {
  const core = await mesh(t);
  await core.append(service('web'), service('cart'), endpoint('cart', 'a'), endpoint('cart', 'b'));
  await core.append(applied('cart', { timeout: '2s' }));
  const at = core.log.head().offset;
  const inForce = await call(core, 'GET', '/v1/services/shop/cart/effective');
  await core.append({ type: 'endpoint.deregistered', data: { namespace: 'shop', service: 'cart', id: 'a' } });
  await core.append({ type: 'service.deregistered', data: { namespace: 'shop', name: 'web' } });
  await core.append(applied('cart', { timeout: '9s' }));
  const list = await call(core, 'GET', `/v1/services?at=${at}`);
  assert.deepEqual(
    list.body.services.map(({ service: name, endpoints }: { service: string; endpoints: number }) => [name, endpoints]),
    [
      ['cart.shop', 2],
      ['web.shop', 0],
    ],
  );
  const page = await call(core, 'GET', `/v1/services?at=${at}&limit=1&next=cart.shop`);
  assert.deepEqual(
    page.body.services.map(({ name }: { name: string }) => name),
    ['web'],
  );
  const one = await call(core, 'GET', `/v1/services/shop/cart?at=${at}&limit=1`);
  assert.deepEqual([one.body.endpoints[0].id, one.body.next, one.body.endpointCount], ['a', 'a', 2]);
  const rest = await call(core, 'GET', `/v1/services/shop/cart?at=${at}&limit=1&next=a`);
  assert.deepEqual([rest.body.endpoints[0].id, rest.body.next], ['b', undefined]);
  const effective = await call(core, 'GET', `/v1/services/shop/cart/effective?at=${at}`);
  assert.deepEqual([effective.body.ports, effective.body.dependency], [inForce.body.ports, inForce.body.dependency]);
  assert.notDeepEqual(effective.body.ports, (await call(core, 'GET', '/v1/services/shop/cart/effective')).body.ports);
  assert.deepEqual(effective.body.at, { offset: at, time: minutes(1) });
  assert.equal((await call(core, 'GET', '/v1/services/shop/web')).status, 404);
  assert.equal((await call(core, 'GET', `/v1/services/shop/web?at=${at}`)).status, 200);
  assert.equal((await call(core, 'GET', '/v1/services/shop/web?at=0')).body.code, 'SERVICE_UNKNOWN');
  // Inside of a batch it is the state before it.
  assert.deepEqual((await call(core, 'GET', '/v1/services?at=2')).body.services, []);
});

test('who depended on a service then', async (t) => {
  const core = await mesh(t);
  await core.append(service('web'), service('cart'));
  const declared = await core.append({ type: 'dependency.declared', data: { from: 'web.shop', to: 'cart.shop' } });
  await core.append({ type: 'dependency.withdrawn', data: { from: 'web.shop', to: 'cart.shop' } });
  assert.deepEqual((await call(core, 'GET', '/v1/services/shop/cart/dependents')).body.dependents, []);
  const then = await call(core, 'GET', `/v1/services/shop/cart/dependents?at=${declared}`);
  assert.deepEqual([then.body.dependents, then.body.registered], [['web.shop'], true]);
  assert.deepEqual(then.body.at, { offset: declared, time: minutes(1) });
});

test('a sidecar then: what it was entitled to, and beside it what the ledger says that it held', async (t) => {
  const core = await mesh(t);
  await core.append(service('web'), service('cart'), endpoint('cart', 'a'));
  const edge = await core.append({ type: 'dependency.declared', data: { from: 'web.shop', to: 'cart.shop' } });
  const before = await core.append(applied('cart', { timeout: '2s' }));
  const after = await core.append(applied('cart', { timeout: '9s' }));
  core.proxies.set('web-1', { proxy: { id: 'web-1', service: 'web.shop', state: 'in-sync', holds: 1 }, resources: [] });
  const versions = async (at: number): Promise<Map<string, string>> => {
    const { body } = await call(core, 'GET', `/v1/proxies/web-1/resources?at=${at}`);
    assert.equal(body.compiledBy, 'today');
    return new Map(
      body.resources.map((row: { type: string; name: string; version: string }) => [
        `${row.type} ${row.name}`,
        row.version,
      ]),
    );
  };
  const [none, then, now] = [await versions(edge - 1), await versions(before), await versions(after)];
  assert.equal(none.size, 0);
  const names = ['cds cart.shop:8080', 'eds cart.shop:8080', 'vhds outbound/cart.shop:8080'];
  assert.deepEqual([...then.keys()], names);
  for (const [key, version] of now) {
    const [type, name = ''] = key.split(' ');
    const own = core.projector.sharedResource(`${type}|ns:shop|${name.replace('outbound/', '')}`);
    assert.equal(version, (own ?? core.projector.sharedResource(`${type}||${name}`))?.version, key);
  }
  assert.notEqual(then.get('vhds outbound/cart.shop:8080'), now.get('vhds outbound/cart.shop:8080'));
  assert.equal(then.get('cds cart.shop:8080'), now.get('cds cart.shop:8080'));

  // The ledger knows nothing of it yet.
  assert.equal((await call(core, 'GET', `/v1/proxies/web-1?at=${before}`)).body.heldKnown, false);
  const sentAt = START + 125_000;
  const group = {
    type: 'vhds',
    name: 'outbound/cart.shop:8080',
    version: 'old',
    bytes: 90,
    offset: before,
    at: sentAt,
  };
  core.ledger.record({
    nodes: [['web-1', 'web.shop']],
    groups: [
      { ...group, event: 'sent', steps: [0, 0] },
      { ...group, event: 'acked', bytes: 0, steps: [0, 20] },
    ],
  });
  const { body } = await call(core, 'GET', `/v1/proxies/web-1/resources?at=${sentAt + 1_000}&type=vhds`);
  assert.deepEqual([body.heldKnown, body.heldFrom], [true, new Date(sentAt).toISOString()]);
  assert.deepEqual(body.resources[0].held, {
    state: 'acked',
    version: 'old',
    sentAt: new Date(sentAt).toISOString(),
    ackedAt: new Date(sentAt + 20).toISOString(),
  });
  assert.equal(body.resources[0].version, then.get('vhds outbound/cart.shop:8080'));
  const early = await call(core, 'GET', `/v1/proxies/web-1/resources?at=${before}`);
  assert.equal(early.body.heldKnown, false, 'before the ledger heard of it');
  // Away, it is known from the ledger.
  core.proxies.clear();
  const away = await call(core, 'GET', `/v1/proxies/web-1?at=${sentAt + 1_000}`);
  assert.deepEqual(
    [away.body.service, away.body.entitled.resources, away.body.held],
    ['web.shop', 3, { resources: 1 }],
  );
  assert.equal((await call(core, 'GET', `/v1/proxies/nobody?at=${before}`)).body.code, 'PROXY_UNKNOWN');
});

test('why it held something then, from the documents of then', async (t) => {
  const core = await mesh(t);
  await core.append(service('web'), service('cart'));
  await core.append({ type: 'dependency.declared', data: { from: 'web.shop', to: 'cart.shop' } });
  const first = await core.append(applied('cart', { timeout: '2s' }));
  await core.append(applied('cart', { timeout: '3s' }));
  await core.append({ type: 'dependency.withdrawn', data: { from: 'web.shop', to: 'cart.shop' } });
  core.proxies.set('web-1', { proxy: { id: 'web-1', service: 'web.shop', state: 'in-sync', holds: 1 }, resources: [] });
  const why = `/v1/proxies/web-1/why?type=cds&name=cart.shop:8080`;
  assert.equal((await call(core, 'GET', why)).body.code, 'RESOURCE_UNKNOWN');
  const { body } = await call(core, 'GET', `${why}&at=${first}`);
  assert.deepEqual([body.because, body.edges[0].to, body.at.offset], ['edge', 'cart.shop', first]);
  assert.deepEqual(
    body.builtFrom.map(({ of, offset }: { of: string; offset: number }) => [of, offset]),
    [
      ['cart.shop', 2],
      ['Route/shop/cart', first],
    ],
  );
  assert.equal((await call(core, 'GET', `${why}&at=2`)).body.code, 'RESOURCE_UNKNOWN');
});
