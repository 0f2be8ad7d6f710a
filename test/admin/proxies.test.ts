/** Sidecars: lists, resources, and the causal chain of `why`, joined from a ledger with the real state and graph. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Core, type CoreOptions, call, endpoint, routeDocument, service, startCore, YAML } from './core.ts';

const AT = Date.parse('2026-05-01T12:00:00Z');

/** web calls cart: learned; web's own listener; everything acknowledged but one. */
const mesh = async (t: TestContext, options: CoreOptions = {}): Promise<Core> => {
  const core = await startCore(t, options);
  await call(core, 'POST', '/v1/events', {
    events: [service('web'), service('cart'), service('ads'), endpoint('cart', 'a')],
  });
  const text = `apiVersion: tendril.dev/v1\nkind: Route\nmetadata: {name: cart, namespace: shop}\nspec: {timeout: 2s}\n---\napiVersion: tendril.dev/v1\nkind: Upstream\nmetadata: {name: limits, namespace: shop}\nspec: {scope: {namespace: true}, limits: {requests: 100}}\n`;
  await call(core, 'POST', '/v1/docs:apply?file=routes/cart.yaml&reason=faster', text, YAML);
  core.learned.report([{ from: 'web.shop', to: 'cart.shop:8080', node: 'web-1' }]);
  await core.learned.settled();
  await core.projector.waitFor(core.log.head().offset);
  core.proxies.set('web-1', {
    proxy: {
      id: 'web-1',
      service: 'web.shop',
      state: 'refused',
      holds: 5,
      connectedAt: AT,
      lastAckAt: AT + 20,
      bytes: 4100,
      worker: 1,
    },
    resources: [
      {
        type: 'cds',
        name: 'cart.shop:8080',
        version: 'v1',
        state: 'acked',
        bytes: 420,
        sentAt: AT,
        ackedAt: AT + 18,
        offset: 7,
      },
      {
        type: 'eds',
        name: 'cart.shop:8080',
        version: 'v2',
        state: 'acked',
        bytes: 300,
        sentAt: AT,
        ackedAt: AT + 18,
        offset: 7,
      },
      {
        type: 'vhds',
        name: 'outbound/cart.shop:8080',
        version: 'v3',
        state: 'refused',
        bytes: 300,
        sentAt: AT,
        error: 'bad regex',
        offset: 7,
      },
      { type: 'cds', name: 'ads.shop:8080', version: 'v4', state: 'sent', bytes: 300, sentAt: AT, offset: 7 },
      {
        type: 'lds',
        name: 'outbound',
        version: 'v5',
        state: 'acked',
        bytes: 900,
        sentAt: AT,
        ackedAt: AT + 3,
        offset: 1,
      },
    ],
  });
  core.proxies.set('ads-1', { proxy: { id: 'ads-1', service: 'ads.shop', state: 'in-sync', holds: 0 }, resources: [] });
  return core;
};

test('lists with state, count of services, pages and filters', async (t) => {
  const core = await mesh(t);
  const { body } = await call(core, 'GET', '/v1/proxies');
  assert.deepEqual(
    body.proxies.map(({ id, state }: { id: string; state: string }) => `${id} ${state}`),
    ['ads-1 in-sync', 'web-1 refused'],
  );
  assert.deepEqual([body.total, body.of], [2, 3]);
  assert.equal(body.proxies[1].connectedAt, '2026-05-01T12:00:00.000Z');
  assert.equal((await call(core, 'GET', '/v1/proxies?state=refused')).body.proxies.length, 1);
  assert.equal((await call(core, 'GET', '/v1/proxies?service=ads.shop')).body.proxies[0].id, 'ads-1');
  const page = (await call(core, 'GET', '/v1/proxies?limit=1')).body;
  assert.equal((await call(core, 'GET', `/v1/proxies?limit=1&next=${page.next}`)).body.proxies[0].id, 'web-1');
  assert.equal((await call(core, 'GET', '/v1/proxies/web-1')).body.bytes, 4100);
});

test('resources by type and name, with times', async (t) => {
  const core = await mesh(t);
  const { body } = await call(core, 'GET', '/v1/proxies/web-1/resources');
  assert.equal(body.total, 5);
  assert.deepEqual(
    body.resources.map(({ type, name }: { type: string; name: string }) => `${type} ${name}`),
    ['cds ads.shop:8080', 'cds cart.shop:8080', 'eds cart.shop:8080', 'lds outbound', 'vhds outbound/cart.shop:8080'],
  );
  assert.equal(body.resources[1].ackedAt, '2026-05-01T12:00:00.018Z');
  assert.equal((await call(core, 'GET', '/v1/proxies/web-1/resources?type=cluster')).body.total, 2);
});

test('why: edge with its evidence, documents with author, reason, file and line, delivery with times', async (t) => {
  const core = await mesh(t);
  const { body } = await call(
    core,
    'GET',
    `/v1/proxies/web-1/why?type=cds&name=${encodeURIComponent('cart.shop:8080')}`,
  );
  assert.equal(body.because, 'edge');
  assert.equal(body.subject, 'cart.shop:8080');
  const [edge] = body.edges;
  assert.deepEqual(
    [edge.from, edge.to, edge.port, edge.origin, edge.state, edge.evidence],
    ['web.shop', 'cart.shop', 8080, 'learned', 'active', ['subscribed']],
  );
  assert.equal(edge.firstOffset, 7);
  assert.deepEqual(
    body.builtFrom.map(({ of, offset, source, reason, file, line }: Record<string, unknown>) => [
      of,
      offset,
      source,
      reason,
      file,
      line,
    ]),
    [
      ['cart.shop', 2, 'local', undefined, undefined, undefined],
      ['Route/shop/cart', 5, 'local', 'faster', 'routes/cart.yaml', 1],
      ['Upstream/shop/limits', 6, 'local', 'faster', 'routes/cart.yaml', 6],
    ],
  );
  assert.deepEqual(
    [body.delivery.state, body.delivery.version, body.delivery.sentAt, body.delivery.ackedAfterMs],
    ['acked', 'v1', '2026-05-01T12:00:00.000Z', 18],
  );
  assert.match(body.summary, /learned edge web\.shop -> cart\.shop:8080 \(subscribed\) since event 7/);
});

test('why: a refused virtual host, by its name with and without the route configuration, and by type URL', async (t) => {
  const core = await mesh(t);
  for (const query of [
    'type=vhds&name=outbound/cart.shop:8080',
    'type=vhds&name=cart.shop:8080',
    `type=${encodeURIComponent('type.googleapis.com/envoy.config.route.v3.VirtualHost')}&name=cart.shop:8080`,
  ]) {
    const { body } = await call(core, 'GET', `/v1/proxies/web-1/why?${query}`);
    assert.equal(body.name, 'outbound/cart.shop:8080', query);
    assert.deepEqual([body.because, body.delivery.state, body.delivery.error], ['edge', 'refused', 'bad regex']);
  }
  assert.equal((await call(core, 'GET', '/v1/proxies/web-1/why?type=xds&name=a')).status, 400);
});

test('why: an edge that documents declare names them with file and line', async (t) => {
  const core = await mesh(t);
  const text =
    'apiVersion: tendril.dev/v1\nkind: Dependency\nmetadata: {name: web, namespace: shop}\nspec:\n  to: {ads.shop: {pin: true}}\n';
  assert.equal((await call(core, 'POST', '/v1/docs:apply?file=web.yaml', text, YAML)).status, 200);
  const { body } = await call(core, 'GET', '/v1/proxies/web-1/why?type=cds&name=ads.shop:8080');
  assert.equal(body.because, 'edge');
  assert.deepEqual(
    [body.edges[0].documents[0].of, body.edges[0].documents[0].file, body.edges[0].documents[0].line],
    ['Dependency/shop/web', 'web.yaml', 1],
  );
});

test('why: asked for but not in the log yet; its own; nothing to do with it', async (t) => {
  const core = await mesh(t);
  assert.equal((await call(core, 'GET', '/v1/proxies/web-1/why?type=cds&name=ads.shop:8080')).body.because, 'asked');
  const own = (await call(core, 'GET', '/v1/proxies/web-1/why?type=lds&name=outbound')).body;
  assert.deepEqual([own.because, own.subject], ['own', 'web.shop']);
  assert.equal(own.builtFrom[0].of, 'web.shop');
  const none = await call(core, 'GET', '/v1/proxies/ads-1/why?type=cds&name=cart.shop:8080');
  assert.equal(none.status, 404);
  assert.equal(none.body.code, 'RESOURCE_UNKNOWN');
  assert.match(none.body.remedy, /\/v1\/proxies\/ads-1\/resources/);
});

test('why: a Service document is named with its author', async (t) => {
  const core = await mesh(t);
  const document = { ...routeDocument('cart', { ports: [{ port: 8080, protocol: 'http' }] }), kind: 'Service' };
  assert.equal((await call(core, 'POST', '/v1/docs:apply?file=cart.json', document)).status, 200);
  const { body } = await call(core, 'GET', '/v1/proxies/web-1/why?type=eds&name=cart.shop:8080');
  assert.deepEqual([body.builtFrom[0].of, body.builtFrom[0].file], ['Service/shop/cart', 'cart.json']);
});

test('why: a service that events registered has the reason of its last word', async (t) => {
  const core = await mesh(t);
  await call(core, 'POST', '/v1/events', { events: [{ ...service('cart'), reason: 'moved to the new cluster' }] });
  await core.projector.waitFor(core.log.head().offset);
  const { body } = await call(core, 'GET', '/v1/proxies/web-1/why?type=cds&name=cart.shop:8080');
  assert.deepEqual(
    [body.builtFrom[0].of, body.builtFrom[0].offset, body.builtFrom[0].reason],
    ['cart.shop', core.log.head().offset, 'moved to the new cluster'],
  );
});

test('why: a node that says what it needs holds it without an edge', async (t) => {
  const core = await mesh(t);
  const web = core.proxies.get('web-1');
  assert.ok(web !== undefined);
  core.proxies.set('web-1', { ...web, proxy: { ...web.proxy, needs: true } });
  const why = async (name: string) =>
    (await call(core, 'GET', `/v1/proxies/web-1/why?type=cds&name=${encodeURIComponent(name)}`)).body;
  const needed = await why('ads.shop:8080');
  assert.equal(needed.because, 'needs');
  assert.doesNotMatch(needed.summary, /not in the log yet/);
  assert.equal((await why('cart.shop:8080')).because, 'edge', 'where there is an edge, it is the reason');
});

test('answers about sidecars say when a worker is missing from them', async (t) => {
  const paths = ['/v1/proxies', '/v1/services/shop/cart/holders', '/v1/docs/Route/shop/cart/holders'];
  const part = await mesh(t, { allAnswered: false });
  for (const path of paths) assert.equal((await call(part, 'GET', path)).body.complete, false, path);
  const whole = await mesh(t);
  for (const path of paths) assert.equal('complete' in (await call(whole, 'GET', path)).body, false, path);
});
