/** Virtual hosts for gRPC clients: which calls go where, as the real client decides; nothing it would refuse. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { grpcListener, grpcRoutes, NOWHERE } from '../../../src/compile/index.ts';
import { contentVersion, type IRoute, virtualHostTail } from '../../../src/proto/index.ts';
import { compileAll, documents, find, mesh, port, service } from '../support.ts';
import { chosen, taken } from './client.ts';
import { envoyChoice } from './envoy.ts';
import { routeSpec, word } from './specs.ts';

const NAME = 'cart.shop:80';

/** The virtual host of `cart.shop:80` with this Route; undefined: the document is not valid. */
const compiledHost = (spec: unknown): Uint8Array | undefined => {
  const text = `
kind: Route
metadata: {name: cart, namespace: shop}
spec: ${JSON.stringify(spec)}
---
kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {subsets: {v1: {labels: {v: "1"}}, v2: {labels: {v: "2"}}}}
`;
  try {
    documents(text);
  } catch {
    return undefined;
  }
  const services = [service('cart.shop', { ports: [port(80, 'grpc')] }), service('stock.shop')];
  return find(compileAll(mesh({ services, yaml: text })), 'vhds', NAME).body;
};

// biome-ignore lint/suspicious/noExplicitAny: the client's own decoded form
const routesOf = (spec: unknown): any[] => {
  const virtualHost = compiledHost(spec);
  assert.ok(virtualHost !== undefined, `no valid document: ${JSON.stringify(spec)}`);
  return takenRoutes(virtualHost);
};

// biome-ignore lint/suspicious/noExplicitAny: as above
const takenRoutes = (virtualHost: Uint8Array): any[] => {
  const made = grpcRoutes(NAME, virtualHost);
  assert.equal(made.version, contentVersion([made.body]));
  const { name, value } = taken('rds', made.body);
  assert.equal(name, NAME);
  assert.deepEqual(
    value.virtual_hosts.map((host: { domains: unknown }) => host.domains),
    [['*']],
  );
  return value.virtual_hosts[0].routes;
};

// biome-ignore lint/suspicious/noExplicitAny: as above
const rawRoutes = (...routes: IRoute[]): any[] => takenRoutes(virtualHostTail({ domains: ['a'], routes }));

test('listener: api_listener with the router, routes by name over ads', () => {
  const { name, value } = taken('lds', grpcListener(NAME).body);
  assert.equal(name, NAME);
  assert.match(value.api_listener.api_listener.type_url, /HttpConnectionManager$/);
});

describe('destinations', () => {
  test('weights as given; one target is a plain cluster; a weight of 0 is left out', () => {
    assert.equal(
      chosen(routesOf({ to: { v1: { weight: 90 }, v2: { weight: 10 } } }), '/a.B/C'),
      'cart.shop:80/v1=90,cart.shop:80/v2=10',
    );
    assert.equal(chosen(routesOf({ to: { v1: { weight: 0 }, v2: { weight: 100 } } }), '/a.B/C'), 'cart.shop:80/v2');
    assert.equal(chosen(routesOf({}), '/a.B/C'), 'cart.shop:80');
    assert.equal(chosen(routesOf({ to: { 'stock.shop': {} } }), '/a.B/C'), 'stock.shop:80');
  });

  test('what clients cannot do leads to a cluster without endpoints, and does not fall to the next route', () => {
    const rest: IRoute = { match: { prefix: '/' }, route: { cluster: 'x' } };
    const match = { prefix: '/a' };
    for (const route of [
      { match, redirect: { hostRedirect: 'a' } },
      { match, directResponse: { status: 404 } },
      { match, nonForwardingAction: {} },
      { match },
      { match, route: { clusterHeader: 'h' } },
      { match, route: {} },
      { match, route: { weightedClusters: { clusters: [{ name: 'a', weight: { value: 0 } }] } } },
      {
        match,
        route: {
          weightedClusters: {
            clusters: [
              { name: 'a', weight: { value: 0xffffffff } },
              { name: 'b', weight: { value: 1 } },
            ],
          },
        },
      },
    ] satisfies IRoute[]) {
      assert.equal(chosen(rawRoutes(route, rest), '/a.B/C'), NOWHERE, JSON.stringify(route));
      assert.equal(chosen(rawRoutes(route, rest), '/b.B/C'), 'x');
    }
  });
});

describe('matches', () => {
  const matching = (match: unknown, method: string, headers?: Readonly<Record<string, string>>): boolean =>
    chosen(routesOf({ to: { v1: {} }, rules: { r: { match, to: { v2: {} } } } }), method, headers) ===
    'cart.shop:80/v2';

  test('paths', () => {
    assert.ok(matching({ grpc: { service: 'shop.Cart', method: 'Add' } }, '/shop.Cart/Add'));
    assert.ok(!matching({ grpc: { service: 'shop.Cart', method: 'Add' } }, '/shop.Cart/Del'));
    assert.ok(matching({ grpc: { service: 'shop.Cart' } }, '/shop.Cart/Del'));
    assert.ok(!matching({ grpc: { service: 'shop.Cart' } }, '/shop.Carts/Del'));
    assert.ok(matching({ path: { prefix: '/shop.Cart' } }, '/shop.Cart/Add'));
    assert.ok(matching({ path: { prefix: '/shop.Cart' } }, '/shop.Cart'));
    assert.ok(!matching({ path: { prefix: '/shop.Cart' } }, '/shop.Carts/Add'));
    assert.ok(matching({ path: { exact: '/SHOP.cart/add', ignoreCase: true } }, '/shop.Cart/Add'));
    assert.ok(matching({ path: { in: ['/a.B/C', '/a.B/D'] } }, '/a.B/D'));
  });

  test('a regular expression matches the whole path, also one with alternatives', () => {
    const match = { path: { regex: '/a.A/.*|/b.B/C' } };
    assert.ok(matching(match, '/a.A/x'));
    assert.ok(matching(match, '/b.B/C'));
    assert.ok(!matching(match, '/b.B/CC'));
    assert.ok(!matching(match, '/x/a.A/x'));
    assert.ok(matching({ path: { regex: '/\\Qa.B/C' } }, '/a.B/C'));
    assert.ok(!matching({ path: { regex: '/\\Qa.B/C' } }, '/axB/C'));
    assert.ok(matching({ path: { regex: '/(?i)SHOP.*' } }, '/shop.Cart/Add'));
    assert.ok(!matching({ path: { regex: '/\\C*' } }, '/shop.Cart/Add'), 'Go does not know \\C');
  });

  test('method: calls are POST', () => {
    assert.ok(matching({ method: 'POST' }, '/a.B/C'));
    assert.ok(matching({ method: ['GET', 'POST'] }, '/a.B/C'));
    assert.ok(!matching({ method: ['GET', 'PUT'] }, '/a.B/C'));
    assert.ok(!matching({ method: 'GET' }, '/a.B/C'));
  });

  test('query: calls have none', () => {
    assert.ok(!matching({ query: { q: '1' } }, '/a.B/C'));
    assert.ok(!matching({ query: { q: { present: true } } }, '/a.B/C'));
    assert.ok(matching({ query: { q: { present: false } } }, '/a.B/C'));
    assert.ok(matching({ query: { q: { exact: '1', not: true } } }, '/a.B/C'));
  });

  test('headers', () => {
    const on = (matcher: unknown, value?: string): boolean =>
      matching({ headers: { 'x-user': matcher } }, '/a.B/C', value === undefined ? {} : { 'x-user': value });
    assert.ok(on('jason', 'jason'));
    assert.ok(!on('jason', 'john'));
    assert.ok(!on('jason'));
    assert.ok(on({ exact: 'JASON', ignoreCase: true }, 'jason'));
    assert.ok(on({ prefix: 'ja' }, 'jason') && on({ suffix: 'on' }, 'jason') && on({ contains: 'as' }, 'jason'));
    assert.ok(on({ in: ['jason', 'john'] }, 'john') && !on({ in: ['jason', 'john'] }, 'jo'));
    assert.ok(on({ regex: 'j.*|x' }, 'jason') && !on({ regex: 'j|x' }, 'jason') && !on({ regex: 'x|n' }, 'jason'));
    assert.ok(on({ present: true }, 'a') && !on({ present: true }));
    assert.ok(!on({ present: false }, 'a') && on({ present: false }));
    assert.ok(on({ range: [1, 10] }, '9') && !on({ range: [1, 10] }, '10') && !on({ range: [1, 10] }));
  });

  test('not: also calls without the header, unless the value counts as empty', () => {
    const on = (matcher: unknown, value?: string): boolean =>
      matching({ headers: { 'x-user': matcher } }, '/a.B/C', value === undefined ? {} : { 'x-user': value });
    for (const matcher of [{ exact: 'a' }, { in: ['a', 'b'] }, { prefix: 'a' }, { regex: 'a+' }, { range: [1, 2] }]) {
      assert.ok(on({ ...matcher, not: true }), JSON.stringify(matcher));
      assert.ok(on({ ...matcher, not: true }, 'z'));
    }
    assert.ok(!on({ exact: 'a', not: true }, 'a'));
    assert.ok(!on({ exact: '', not: true }));
    assert.ok(!on({ in: ['', 'a'], not: true }));
    assert.ok(on({ exact: '', not: true }, 'a'));
    assert.ok(!on({ present: true, not: true }, 'a') && on({ present: true, not: true }));
  });

  test('"not" is an alternative of its own for clients that never match an absent header', () => {
    const routes = routesOf({
      rules: { r: { match: { headers: { a: { exact: '1', not: true } } }, to: { 'stock.shop': {} } } },
    });
    assert.deepEqual(
      routes.map(({ name, match }) => [
        name,
        match.headers.map((each: { name: string; header_match_specifier: string; invert_match: boolean }) => [
          each.name,
          each.header_match_specifier,
          each.invert_match,
        ]),
      ]),
      [
        ['cart.shop:80/r', [['a', 'string_match', true]]],
        ['cart.shop:80/r~grpc2', [['a', 'present_match', true]]],
        ['cart.shop:80', []],
      ],
    );
    const many = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`h${index}`, { exact: '1', not: true }]));
    assert.equal(routesOf({ rules: { r: { match: { headers: many }, to: { 'stock.shop': {} } } } }).length, 16 + 1);
  });

  test('keys that metadata cannot hold are absent; host is nothing a client looks at', () => {
    const on = (name: string, matcher: unknown): boolean => matching({ headers: { [name]: matcher } }, '/a.B/C', {});
    assert.ok(!on('a!b', 'x'));
    assert.ok(on('a!b', { exact: 'x', not: true }));
    assert.ok(!on('a!b', { present: true }));
    assert.ok(on('k-bin', { present: false }));
    assert.ok(!on('host', 'x'));
    assert.ok(matching({ headers: { 'content-type': 'application/grpc' } }, '/a.B/C'));
  });

  test('conditions that no client checks leave the route out', () => {
    for (const match of [
      { prefix: '/', cookies: [{ name: 'a' }] },
      { prefix: '/', filterState: [{ key: 'tendril.caller' }] },
      { prefix: '/', runtimeFraction: {} },
      { prefix: '/', headers: [{ name: 'a' }] },
      { prefix: '/', headers: [{ name: ':authority', stringMatch: { exact: 'a' } }] },
      { connectMatcher: {} },
      {},
    ])
      assert.equal(chosen(rawRoutes({ match, route: { cluster: 'c' } }), '/a.B/C'), undefined, JSON.stringify(match));
  });
});

describe('action', () => {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const action = (spec: unknown): any => routesOf(spec)[0].route;

  test('timeout is the longest life of a call; 0s sets none', () => {
    assert.deepEqual(action({ timeout: '1.5s' }).max_stream_duration.max_stream_duration, {
      seconds: '1',
      nanos: 500_000_000,
    });
    assert.equal(action({ timeout: '0s' }).max_stream_duration, null);
    const [both] = rawRoutes({
      match: { prefix: '/' },
      route: { cluster: 'c', timeout: { seconds: 9 }, maxStreamDuration: { maxStreamDuration: { seconds: 3 } } },
    });
    assert.equal(both.route.max_stream_duration.max_stream_duration.seconds, '3');
  });

  test('retries: gRPC status names alone, 1 to 4', () => {
    const policy = action({
      retry: { attempts: 9, when: { grpc: ['unavailable', 'cancelled'], gateway: true } },
    }).retry_policy;
    assert.equal(policy.retry_on, 'cancelled,unavailable');
    assert.equal(policy.num_retries.value, 4);
    assert.equal(action({ retry: { attempts: 3 } }).retry_policy, null);
    assert.equal(action({ retry: { attempts: 0, when: { grpc: ['unavailable'] } } }).retry_policy, null);
    const [route] = rawRoutes({
      match: { prefix: '/' },
      route: {
        cluster: 'c',
        retryPolicy: {
          retryOn: 'unavailable,5xx',
          retryBackOff: { baseInterval: { seconds: 2 }, maxInterval: { seconds: 1 } },
        },
      },
    });
    assert.equal(route.route.retry_policy.retry_on, 'unavailable');
    assert.deepEqual(route.route.retry_policy.retry_back_off.max_interval, { seconds: '2', nanos: 0 });
  });

  test('hash keys: headers', () => {
    const [route] = rawRoutes({
      match: { prefix: '/' },
      route: {
        cluster: 'c',
        hashPolicy: [
          { header: { headerName: 'X-User' }, terminal: true },
          { cookie: { name: 'a' } },
          { header: { headerName: 'a!b' } },
          { connectionProperties: { sourceIp: true } },
        ],
      },
    });
    assert.deepEqual(
      route.route.hash_policy.map((each: { header: { header_name: string }; terminal: boolean }) => [
        each.header.header_name,
        each.terminal,
      ]),
      [['x-user', true]],
    );
  });
});

describe('properties', () => {
  test('every Route that is accepted sends each call where an Envoy would; the client takes and evaluates all of it', () => {
    let compiled = 0;
    const value = fc.oneof(fc.constantFrom('', 'ab', 'a', 'x', '12', 'a.b'), fc.stringMatching(/^[!-~]{1,9}$/));
    const headers = fc.dictionary(fc.constantFrom('x-user', 'a'), value);
    const path = fc.oneof(
      fc.constantFrom('/', '/a', '/a/b', '/shop.Cart/Add', 'ab'),
      word.map((text) => `/${text}`),
    );
    fc.assert(
      fc.property(routeSpec, fc.array(fc.tuple(path, headers), { minLength: 1, maxLength: 8 }), (spec, calls) => {
        const virtualHost = compiledHost(spec);
        if (virtualHost === undefined) return;
        compiled++;
        const routes = takenRoutes(virtualHost);
        for (const [method, metadata] of calls) {
          const expected = envoyChoice(virtualHost, method, { 'content-type': 'application/grpc', ...metadata });
          assert.equal(chosen(routes, method, metadata), expected, JSON.stringify({ method, metadata }));
        }
      }),
      { numRuns: 600 },
    );
    assert.ok(compiled > 150, `only ${compiled} documents were valid`);
  });
});
