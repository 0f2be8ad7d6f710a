/** Virtual hosts: domains (contracts), targets, time-outs, retries, hashing, names and metadata (policies.md section 3). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServiceView } from '../../src/compile/index.ts';
import { plainResource, recoded } from './plain.ts';
import { compileAll, find, http, mesh, port, service } from './support.ts';

const NAME = 'cart.shop:80';

interface PlainRoute {
  readonly name: string;
  readonly match: Record<string, unknown>;
  readonly route: Record<string, unknown>;
  readonly metadata?: { readonly filterMetadata: Record<string, unknown> };
}

const compiled = (spec: string, options: { services?: ServiceView[]; name?: string; more?: string } = {}) => {
  const yaml = spec === '' ? '' : `kind: Route\nmetadata: {name: cart, namespace: shop}\nspec: ${spec}\n`;
  const inputs = mesh({ services: options.services ?? [service('cart.shop')], yaml: yaml + (options.more ?? '') });
  const found = find(compileAll(inputs), 'vhds', options.name ?? NAME);
  assert.deepEqual(Buffer.from(recoded('vhds', found.body)), Buffer.from(found.body), 'canonical bytes');
  const { routes } = plainResource('vhds', found.body) as { routes: PlainRoute[] };
  return { ...found, routes };
};

const onlyRoute = (spec: string, options: Parameters<typeof compiled>[1] = {}): Record<string, unknown> => {
  const { routes } = compiled(spec, options);
  const [route] = routes;
  assert.ok(route !== undefined && routes.length === 1);
  return route.route;
};

describe('domains', () => {
  const shop = service('cart.shop', { ports: [http(80), port(9090, 'grpc'), port(70, 'tcp')] });
  const resources = compileAll(mesh({ services: [shop] }));

  test('with and without port on the default port, in every mesh suffix', () => {
    assert.deepEqual(find(resources, 'vhds', NAME).domains, [
      'cart.shop',
      'cart.shop.mesh.local',
      'cart.shop.mesh.local:80',
      'cart.shop.svc.cluster.local',
      'cart.shop.svc.cluster.local:80',
      'cart.shop:80',
    ]);
  });

  test('callers of the namespace may use the short name', () => {
    assert.deepEqual(find(resources, 'vhds', NAME, 'ns:shop').domains, [
      'cart',
      'cart.shop',
      'cart.shop.mesh.local',
      'cart.shop.mesh.local:80',
      'cart.shop.svc.cluster.local',
      'cart.shop.svc.cluster.local:80',
      'cart.shop:80',
      'cart:80',
    ]);
  });

  test('only with port on every other HTTP port; none for TCP', () => {
    assert.deepEqual(find(resources, 'vhds', 'cart.shop:9090', 'ns:shop').domains, [
      'cart.shop.mesh.local:9090',
      'cart.shop.svc.cluster.local:9090',
      'cart.shop:9090',
      'cart:9090',
    ]);
    assert.deepEqual(
      resources.filter(({ type, name }) => type === 'vhds' && name === 'cart.shop:70'),
      [],
    );
  });

  test('the default port is sticky: the given one, not the lowest', () => {
    const sticky = compileAll(
      mesh({ services: [service('cart.shop', { ports: [http(80), http(8080)], defaultPort: 8080 })] }),
    );
    assert.ok(find(sticky, 'vhds', 'cart.shop:8080').domains?.includes('cart.shop'));
    assert.ok(!find(sticky, 'vhds', NAME).domains?.includes('cart.shop'));
  });

  test('external hosts, with and without port', () => {
    const { domains = [] } = compiled('', {
      services: [service('cart.shop', { externalHosts: ['www.example.com', 'api.example.com'] })],
    });
    for (const host of ['www.example.com', 'api.example.com']) {
      assert.ok(domains.includes(host) && domains.includes(`${host}:80`), host);
    }
  });

  test('a host that is the name of another service belongs to that service, so no domain is in two virtual hosts', () => {
    const hosts = ['web.shop', 'web.shop.mesh.local', 'gone.shop', 'web', 'www.example.com'];
    const services = [service('cart.shop', { externalHosts: hosts }), service('web.shop')];
    const all = compileAll(mesh({ services }));
    const cart = find(all, 'vhds', NAME).domains ?? [];
    assert.deepEqual(
      hosts.filter((host) => cart.includes(host)),
      ['gone.shop', 'www.example.com'],
    );
    const web = find(all, 'vhds', 'web.shop:80', 'ns:shop').domains ?? [];
    assert.deepEqual(
      web.filter((domain) => cart.includes(domain)),
      [],
    );
  });

  test('the bytes hold the domains that are said beside them, without the name', () => {
    for (const variant of ['', 'ns:shop']) {
      const { body, domains } = find(resources, 'vhds', NAME, variant);
      const plain = plainResource('vhds', body) as { name?: string; domains: string[] };
      assert.deepEqual(plain.domains, domains);
      assert.equal(plain.name, undefined);
    }
  });
});

describe('targets', () => {
  const upstream = `---
kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {subsets: {v1: {labels: {version: v1}}, v2: {labels: {version: v2}}}}
`;

  test('without a document: the port itself', () => {
    const { routes, clusters } = compiled('');
    assert.equal(routes[0]?.route.cluster, NAME);
    assert.deepEqual(clusters, [NAME]);
  });

  test('one target is a cluster, whatever its weight', () => {
    const { routes, clusters } = compiled('{to: {v1: {weight: 7}}}', { more: upstream });
    assert.equal(routes[0]?.route.cluster, `${NAME}/v1`);
    assert.deepEqual(clusters, [`${NAME}/v1`]);
  });

  test('from two targets on they are weighted; 0 stays, so its cluster is there before it gets a share', () => {
    const { routes, clusters } = compiled('{to: {v2: {weight: 0}, v1: {weight: 95}, "*": {weight: 5}}}', {
      more: upstream,
    });
    assert.deepEqual(routes[0]?.route.weightedClusters, {
      clusters: [
        { name: NAME, weight: { value: 5 } },
        { name: `${NAME}/v1`, weight: { value: 95 } },
        { name: `${NAME}/v2`, weight: {} },
      ],
    });
    assert.deepEqual(clusters, [NAME, `${NAME}/v1`, `${NAME}/v2`]);
  });

  test('two keys for one cluster add up', () => {
    const { routes } = compiled('{to: {"*": {weight: 3}, "cart.shop:80": {weight: 4}, v1: {weight: 1}}}', {
      more: upstream,
    });
    assert.deepEqual(routes[0]?.route.weightedClusters, {
      clusters: [
        { name: NAME, weight: { value: 7 } },
        { name: `${NAME}/v1`, weight: { value: 1 } },
      ],
    });
    assert.equal(compiled('{to: {"*": {}, "cart.shop:80": {}}}').routes[0]?.route.cluster, NAME);
  });

  test('another service: its port, its subset, the same port number, else its lowest HTTP port', () => {
    const target = (to: string, fields: Partial<ServiceView> | undefined): unknown =>
      onlyRoute(`{to: {"${to}": {}}}`, {
        services: [service('cart.shop'), ...(fields === undefined ? [] : [service('new.other', fields)])],
      }).cluster;
    assert.equal(target('new.other:8080/v2', {}), 'new.other:8080/v2');
    assert.equal(target('new.other', { ports: [http(8080), http(80)] }), 'new.other:80');
    assert.equal(target('new.other', { ports: [port(70, 'tcp'), http(9090), http(8080)] }), 'new.other:8080');
    assert.equal(target('new.other', { ports: [port(80, 'tcp'), http(8080)] }), 'new.other:8080');
    assert.equal(target('new.other/v1', { ports: [http(8080)] }), 'new.other:8080/v1');
  });

  test('a target that is not registered keeps its name: the xDS server answers it with an empty cluster', () => {
    assert.equal(onlyRoute('{to: {"gone.other": {}}}').cluster, 'gone.other:80');
    assert.deepEqual(compiled('{to: {"gone.other:9": {weight: 1}, "*": {weight: 9}}}').clusters, [
      NAME,
      'gone.other:9',
    ]);
  });
});

describe('times', () => {
  const times = (spec: string, fields: Partial<ServiceView> = {}): unknown => {
    const { timeout, idleTimeout } = onlyRoute(spec, { services: [service('cart.shop', fields)] });
    return { timeout, idleTimeout };
  };

  test('defaults are written: no limit, 5 minutes idle, no idle limit on gRPC ports', () => {
    assert.deepEqual(times(''), { timeout: {}, idleTimeout: { seconds: 300 } });
    assert.deepEqual(times('', { ports: [port(80, 'http2')] }), { timeout: {}, idleTimeout: { seconds: 300 } });
    assert.deepEqual(times('', { ports: [port(80, 'grpc')] }), { timeout: {}, idleTimeout: {} });
  });

  test('timeout, idleTimeout, and 0s for none', () => {
    assert.deepEqual(times('{timeout: 1.5s, idleTimeout: 90m}'), {
      timeout: { seconds: 1, nanos: 500_000_000 },
      idleTimeout: { seconds: 5400 },
    });
    assert.deepEqual(times('{timeout: 0s, idleTimeout: 0s}'), { timeout: {}, idleTimeout: {} });
  });
});

describe('retry', () => {
  const predicate = [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      },
    },
  ];
  const policy = (spec: string): unknown => onlyRoute(spec).retryPolicy;

  test('default: once, on another endpoint, when the callee never saw the request', () => {
    assert.deepEqual(policy(''), {
      retryOn: 'connect-failure,refused-stream,reset-before-request',
      numRetries: { value: 1 },
      retryHostPredicate: predicate,
      hostSelectionRetryMaxAttempts: 3,
    });
  });

  test('every field', () => {
    const spec = `{timeout: 5s, retry: {attempts: 4, timeout: 800ms, when: {connect: false, refused: false, unprocessed: true, reset: true,
      gateway: true, status: [503, 409], grpc: [unavailable, cancelled, internal, deadline-exceeded, resource-exhausted]}}}`;
    assert.deepEqual(policy(spec), {
      retryOn:
        'reset-before-request,reset,gateway-error,retriable-status-codes,cancelled,deadline-exceeded,internal,resource-exhausted,unavailable',
      numRetries: { value: 4 },
      perTryTimeout: { nanos: 800_000_000 },
      retryHostPredicate: predicate,
      hostSelectionRetryMaxAttempts: 3,
      retriableStatusCodes: [409, 503],
    });
  });

  test('none: no attempts, or nothing to retry on', () => {
    assert.equal(policy('{retry: {attempts: 0}}'), undefined);
    assert.equal(policy('{retry: {when: {connect: false, refused: false, unprocessed: false}}}'), undefined);
  });
});

test('hash: keys of the Upstream on every route, each but the last decides alone', () => {
  const more = `---
kind: Upstream
metadata: {name: cart, namespace: shop}
spec:
  lb: {ringHash: {}}
  hash: [{header: X-User}, {cookie: {name: sid, ttl: 1h}}, {cookie: {name: seen}}, {query: q}, {ip: true}]
`;
  const { routes } = compiled('{rules: {a: {match: {path: {exact: /a}}}}}', { more });
  assert.equal(routes.length, 2);
  for (const { route } of routes) {
    assert.deepEqual(route.hashPolicy, [
      { header: { headerName: 'x-user' }, terminal: true },
      { cookie: { name: 'sid', ttl: { seconds: 3600 } }, terminal: true },
      { cookie: { name: 'seen' }, terminal: true },
      { queryParameter: { name: 'q' }, terminal: true },
      { connectionProperties: { sourceIp: true } },
    ]);
  }
});

describe('rules', () => {
  const spec = `
  timeout: 3s
  rules:
    last: {order: 5, match: {path: {exact: /z}}}
    none: {match: {headers: {x: y}}}
    short: {match: {path: {prefix: /a}}}
    long: {match: {path: {prefix: /a/b}}, timeout: 1s}
    some: {match: {path: {in: [/x, /y, /w]}}}
    other-port: {match: {port: 8080}}
`;
  const services = [service('cart.shop', { ports: [http(80), http(8080)] })];

  test('stand in the order of evaluation; each inherits spec; spec itself is last', () => {
    const { routes } = compiled(spec, { services });
    assert.deepEqual(
      routes.map(({ name, route }) => [name, (route.timeout as { seconds: number }).seconds]),
      [
        [`${NAME}/some`, 3],
        [`${NAME}/some~2`, 3],
        [`${NAME}/some~3`, 3],
        [`${NAME}/long`, 1],
        [`${NAME}/short`, 3],
        [`${NAME}/none`, 3],
        [`${NAME}/last`, 3],
        [NAME, 3],
      ],
    );
    assert.deepEqual(routes.at(-1)?.match, { prefix: '/' });
  });

  test('match.port: only the virtual host of that port', () => {
    const { routes } = compiled(spec, { services, name: 'cart.shop:8080' });
    assert.ok(routes.some(({ name }) => name === 'cart.shop:8080/other-port'));
  });

  test('metadata names document and rule; nothing where all is built in', () => {
    const metadata = compiled(spec, { services }).routes.map((route) => route.metadata?.filterMetadata.tendril);
    const field = (text: string): object => ({ stringValue: text });
    assert.deepEqual(metadata[3], { fields: { document: field('Route/shop/cart'), rule: field('long') } });
    assert.deepEqual(metadata.at(-1), { fields: { document: field('Route/shop/cart') } });
    assert.equal(compiled('').routes[0]?.metadata, undefined);
  });
});
