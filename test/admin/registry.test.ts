/** Services, endpoints, graph, schemas, health: what the API shows of the real state. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { call, endpoint, routeDocument, service, startCore } from './core.ts';

describe('services', () => {
  test('list in pages, one with facets and endpoints', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', {
      events: [
        ...['cart', 'web', 'ads'].map((name) => service(name, { labels: { team: 'x' } })),
        {
          type: 'service.registered',
          data: { namespace: 'bank', name: 'cart', ports: [{ port: 1, protocol: 'tcp' }] },
        },
        ...Array.from({ length: 5 }, (_, index) => endpoint('cart', `e${index}`, { labels: { version: 'v1' } })),
      ],
    });
    const first = (await call(core, 'GET', '/v1/services?limit=3')).body;
    assert.deepEqual(
      first.services.map(({ service: name }: { service: string }) => name),
      ['ads.shop', 'cart.bank', 'cart.shop'],
    );
    const rest = (await call(core, 'GET', `/v1/services?limit=3&next=${first.next}`)).body;
    assert.deepEqual(
      rest.services.map(({ service: name }: { service: string }) => name),
      ['web.shop'],
    );
    assert.equal(rest.next, undefined);
    assert.equal((await call(core, 'GET', '/v1/services?namespace=bank')).body.services.length, 1);
    const one = (await call(core, 'GET', '/v1/services/shop/cart?limit=2')).body;
    assert.equal(one.endpointCount, 5);
    assert.equal(one.facets[0].source, 'local');
    assert.equal(one.defaultPort, 8080);
    assert.deepEqual(
      one.endpoints.map(({ id }: { id: string }) => id),
      ['e0', 'e1'],
    );
    const next = (await call(core, 'GET', `/v1/services/shop/cart?limit=10&next=${one.next}`)).body;
    assert.deepEqual(
      next.endpoints.map(({ id }: { id: string }) => id),
      ['e2', 'e3', 'e4'],
    );
  });

  test('by interface and method: who offers it, and on which port', async (t) => {
    const core = await startCore(t);
    const interfaces = [{ name: 'shop.Cart', methods: ['AddItem', 'Empty'], port: 9000 }];
    const ports = [
      { port: 8080, protocol: 'http' },
      { port: 9000, protocol: 'grpc' },
    ];
    await call(core, 'POST', '/v1/events', {
      events: [
        service('cart', { ports, interfaces }),
        service('basket', { interfaces: [{ name: 'shop.Cart' }] }),
        service('web'),
      ],
    });
    const offers = async (wanted: string): Promise<readonly (readonly [string, number])[]> => {
      const { services } = (await call(core, 'GET', `/v1/services?interface=${encodeURIComponent(wanted)}`)).body;
      return services.map((found: { service: string; interface: { port: number } }) => [
        found.service,
        found.interface.port,
      ]);
    };
    assert.deepEqual(await offers('shop.Cart'), [
      ['basket.shop', 8080],
      ['cart.shop', 9000],
    ]);
    // A service that lists no methods offers all of them.
    assert.deepEqual(await offers('shop.Cart/Drop'), [['basket.shop', 8080]]);
    assert.deepEqual(await offers('shop.Cart/AddItem'), [
      ['basket.shop', 8080],
      ['cart.shop', 9000],
    ]);
    assert.deepEqual(await offers('shop.cart'), []);
    const bad = await call(core, 'GET', '/v1/services?interface=shop.Cart/Add/Item');
    assert.equal(bad.status, 400);
    assert.equal(bad.body.code, 'E104');
  });

  test('endpoints: PUT, change, If-Match, DELETE', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    const path = `/v1/services/shop/cart/endpoints/${encodeURIComponent('pod/1')}`;
    const put = await call(core, 'PUT', path, { address: '10.0.0.9', weight: 5, ports: { 8080: 18080 } });
    assert.equal(put.status, 200, put.text);
    assert.equal(core.projector.fold.endpoint('cart.shop', 'pod/1')?.weight, 5);
    assert.equal((await call(core, 'PUT', path, { address: '10.0.0.9' }, { 'if-match': '"1"' })).status, 412);
    assert.equal(
      (await call(core, 'PUT', path, { address: '10.0.0.9' }, { 'if-match': put.headers.get('etag') ?? '' })).status,
      200,
    );
    assert.equal((await call(core, 'DELETE', path)).status, 200);
    assert.equal(core.projector.fold.endpoint('cart.shop', 'pod/1'), undefined);
  });

  test('effective: routes after merging, in the order in which they are tried', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    await call(
      core,
      'PUT',
      '/v1/docs/Route/shop/all',
      routeDocument('all', { scope: { namespace: true }, timeout: '9s' }),
    );
    await call(
      core,
      'PUT',
      '/v1/docs/Route/shop/cart',
      routeDocument('cart', { retry: { attempts: 2 }, rules: { beta: { match: { headers: { 'x-beta': '1' } } } } }),
    );
    const { body } = await call(core, 'GET', '/v1/services/shop/cart/effective');
    assert.deepEqual(body.ports[0].documents, ['Route/shop/all', 'Route/shop/cart']);
    assert.equal(body.ports[0].route.default.timeoutMs, 9000);
    assert.equal(body.ports[0].route.rules[0].name, 'beta');
    assert.equal(body.ports[0].route.default.provenance, undefined);
    assert.equal(body.dependency.learn, true);
    const origins = await call(core, 'GET', '/v1/services/shop/cart/effective?port=8080&origins=1');
    assert.equal(origins.body.ports[0].route.default.provenance['/spec/timeout'].document, 'Route/shop/all');
    assert.equal((await call(core, 'GET', '/v1/services/shop/cart/effective?port=1')).status, 404);
  });
});

describe('graph', () => {
  test('declare, pin, deny, withdraw; nodes, edges, states, dependents', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: ['web', 'cart', 'ads', 'bank'].map((name) => service(name)) });
    assert.equal((await call(core, 'PUT', '/v1/graph/edges/web.shop/cart.shop')).status, 200);
    assert.equal((await call(core, 'PUT', '/v1/graph/edges/web.shop/ads.shop:8080', { action: 'pin' })).status, 200);
    assert.equal((await call(core, 'PUT', '/v1/graph/edges/web.shop/bank.shop', { action: 'deny' })).status, 200);
    assert.equal((await call(core, 'PUT', '/v1/graph/edges/cart.shop/gone.shop', { action: 'declare' })).status, 200);
    core.learned.report([{ from: 'cart.shop', to: 'bank.shop:8080', node: 'cart-1' }]);
    await core.learned.settled();
    const { body } = await call(core, 'GET', '/v1/graph');
    const rows = body.edges.map(
      (edge: { from: string; to: string; port?: number; origin: string; state: string }) =>
        `${edge.from} ${edge.to}${edge.port === undefined ? '' : `:${edge.port}`} ${edge.origin} ${edge.state}`,
    );
    assert.deepEqual(rows, [
      'cart.shop bank.shop:8080 learned active',
      'cart.shop gone.shop declared dangling',
      'web.shop ads.shop:8080 declared pinned',
      'web.shop bank.shop declared denied',
      'web.shop cart.shop declared active',
    ]);
    assert.deepEqual(
      body.nodes
        .filter(({ registered }: { registered: boolean }) => !registered)
        .map(({ name }: { name: string }) => name),
      ['gone.shop'],
    );
    assert.match(body.edges[0].firstSeen, /^20/);
    const focused = (await call(core, 'GET', '/v1/graph?focus=web.shop&depth=1&state=active')).body;
    assert.deepEqual(
      focused.edges.map(({ to }: { to: string }) => to),
      ['cart.shop'],
    );
    const page = (await call(core, 'GET', '/v1/graph?limit=2')).body;
    const rest = (await call(core, 'GET', `/v1/graph?limit=10&next=${encodeURIComponent(page.next)}`)).body;
    assert.deepEqual([...page.edges, ...rest.edges], body.edges);
    const dependents = (await call(core, 'GET', '/v1/services/shop/bank/dependents')).body;
    assert.deepEqual(dependents.dependents.includes('cart.shop'), true);
    assert.equal(
      dependents.edges.some(({ from }: { from: string }) => from === 'cart.shop'),
      true,
    );
    assert.equal((await call(core, 'DELETE', '/v1/graph/edges/web.shop/cart.shop')).status, 200);
    assert.equal(
      (await call(core, 'GET', '/v1/graph?focus=cart.shop')).body.edges.some(
        ({ from }: { from: string }) => from === 'web.shop',
      ),
      false,
    );
  });
});

describe('what Tendril says of itself', () => {
  test('state hash, schemas, OpenAPI, readiness, metrics', async (t) => {
    const core = await startCore(t);
    await call(core, 'POST', '/v1/events', { events: [service('cart')] });
    const { body: hash } = await call(core, 'GET', '/v1/state/hash');
    assert.equal(hash.offset, 1);
    assert.match(hash.hash, /^[0-9a-f]{64}$/);
    assert.equal(typeof hash.foldVersion, 'number');
    const { body: names } = await call(core, 'GET', '/v1/schemas');
    for (const { kind } of names.kinds) assert.equal((await call(core, 'GET', `/v1/schemas/${kind}`)).body.title, kind);
    assert.equal((await call(core, 'GET', '/v1/schemas/service.registered')).body.type, 'object');
    assert.deepEqual((await call(core, 'GET', '/readyz')).body, { ready: true, offset: 1, reasons: [] });
    const metrics = await call(core, 'GET', '/metrics');
    assert.match(metrics.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(metrics.text, /# TYPE tendril_events_total counter\ntendril_events_total 1\n/);
  });

  test('OpenAPI names every route that answers, with its parameters', async (t) => {
    const core = await startCore(t);
    const { body } = await call(core, 'GET', '/v1/openapi.json');
    assert.equal(body.openapi, '3.1.0');
    for (const path of [
      '/v1/events',
      '/v1/events/stream',
      '/v1/docs:apply',
      '/v1/docs',
      '/v1/docs/{kind}/{namespace}/{name}',
      '/v1/services',
      '/v1/services/{namespace}/{name}',
      '/v1/services/{namespace}/{name}/dependents',
      '/v1/services/{namespace}/{name}/endpoints/{id}',
      '/v1/services/{namespace}/{name}/holders',
      '/v1/docs/{kind}/{namespace}/{name}/holders',
      '/v1/graph',
      '/v1/graph/export',
      '/v1/graph/audit',
      '/v1/graph/diff',
      '/v1/graph/stream',
      '/v1/graph/edges/{from}/{to}',
      '/v1/proxies',
      '/v1/proxies/{id}',
      '/v1/proxies/{id}/resources',
      '/v1/proxies/{id}/why',
      '/v1/state/hash',
      '/v1/schemas/{kind}',
      '/v1/openapi.json',
      '/healthz',
      '/readyz',
      '/metrics',
    ])
      assert.ok(body.paths[path] !== undefined, path);
    const ids = Object.values(body.paths as Record<string, Record<string, { operationId: string }>>).flatMap(
      (methods) => Object.values(methods).map(({ operationId }) => operationId),
    );
    assert.equal(new Set(ids).size, ids.length);
    const refs = [...JSON.stringify(body).matchAll(/"\$ref":"#\/components\/schemas\/([A-Za-z]+)"/g)].map(
      (match) => match[1] ?? '',
    );
    for (const ref of refs) assert.ok(body.components.schemas[ref] !== undefined, ref);
    // Every path of the description is a route: it never answers ROUTE_UNKNOWN.
    for (const [path, methods] of Object.entries(body.paths as Record<string, Record<string, unknown>>))
      for (const method of Object.keys(methods)) {
        if (path.endsWith('/stream')) continue;
        const address = path.replaceAll(/\{[a-z]+\}/g, 'x');
        const reply = await call(core, method.toUpperCase(), address);
        assert.notEqual(reply.body?.code, 'ROUTE_UNKNOWN', `${method} ${path}`);
        assert.notEqual(reply.body?.code, 'METHOD_NOT_ALLOWED', `${method} ${path}`);
        assert.notEqual(reply.status, 500, `${method} ${path}: ${reply.text}`);
      }
  });

  test('healthz names every degraded part; a failed one is 503', async (t) => {
    const degraded = await startCore(t, {
      health: [
        { name: 'log', status: 'ok' },
        { name: 'dir', status: 'degraded', code: 'E101', message: 'a.yaml:3: unknown field' },
      ],
    });
    const reply = await call(degraded, 'GET', '/healthz');
    assert.equal(reply.status, 200);
    assert.equal(reply.body.status, 'degraded');
    assert.deepEqual(reply.body.degraded, ['dir']);
    const failed = await startCore(t, { health: [{ name: 'projector', status: 'failed', message: 'stopped' }] });
    assert.equal((await call(failed, 'GET', '/healthz')).status, 503);
  });

  test('not ready: 503 with the reasons', async (t) => {
    const core = await startCore(t, {
      ports: {
        health: {
          parts: () => [],
          ready: () => ({ ready: false, offset: 7, reasons: ['xDS does not accept streams yet'] }),
        },
      },
    });
    const reply = await call(core, 'GET', '/readyz');
    assert.equal(reply.status, 503);
    assert.deepEqual(reply.body.reasons, ['xDS does not accept streams yet']);
  });
});
