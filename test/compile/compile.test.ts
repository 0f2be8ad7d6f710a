/** The unit as a whole: what is compiled, what is read, that equal inputs give equal bytes, how large a service port is. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type CompiledResource,
  compileService,
  emptyAssignment,
  resourceKey,
  type ServiceView,
} from '../../src/compile/index.ts';
import {
  CDS,
  composeDeltaResponse,
  EDS,
  encodeResource,
  encodeVirtualHostResource,
  VHDS,
} from '../../src/proto/index.ts';
import { recoded } from './plain.ts';
import { compileAll, endpoint, find, http, mesh, port, service } from './support.ts';

const YAML = `
kind: Route
metadata: {name: cart, namespace: shop}
spec:
  to: {v1: {weight: 9}, v2: {weight: 1}}
  rules:
    other: {match: {headers: {b: "1", a: {in: [z, y]}}, query: {q: {exact: w, not: true}}}, to: {"stock.shop": {}}}
    api: {match: {path: {in: [/b, /a]}, method: [PUT, POST]}, timeout: 2s}
---
kind: Upstream
metadata: {name: versions, namespace: shop}
spec:
  scope: {namespace: true}
  subsets: {v2: {labels: {version: v2, color: green}}, v1: {labels: {version: v1}}}
---
kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {lb: {maglev: {}}, hash: [{header: x-user}], outlier: {consecutive5xx: 3}}
`;

const cart: ServiceView = service('cart.shop', {
  ports: [http(80), port(9090, 'grpc'), port(70, 'tcp')],
  externalHosts: ['a.example.com', 'b.example.com'],
});
const stock = service('stock.shop');
const endpoints = Array.from({ length: 12 }, (_, index) =>
  endpoint(`e${index + 10}`, {
    labels: { version: `v${(index % 2) + 1}`, color: 'green' },
    locality: { region: 'eu', zone: 'abc'[index % 3] ?? 'a' },
  }),
);

const bytes = (resources: readonly CompiledResource[]): string[] =>
  resources.map(
    ({ type, variant, name, version, body, domains, clusters, eds }) =>
      `${resourceKey(type, variant, name)} ${version} ${Buffer.from(body).toString('hex')} ${domains} ${clusters} ${eds}`,
  );

describe('units', () => {
  const inputs = mesh({ services: [cart, stock], endpoints: { 'cart.shop': endpoints }, yaml: YAML });

  test('config: clusters by port and subset, then virtual hosts in both variants', () => {
    assert.deepEqual(
      compileService('config', 'cart.shop', inputs).map(({ type, variant, name }) => resourceKey(type, variant, name)),
      [
        'cds||cart.shop:70',
        'cds||cart.shop:80',
        'cds||cart.shop:80/v1',
        'cds||cart.shop:80/v2',
        'cds||cart.shop:9090',
        'cds||cart.shop:9090/v1',
        'cds||cart.shop:9090/v2',
        'vhds||cart.shop:80',
        'vhds|ns:shop|cart.shop:80',
        'vhds||cart.shop:9090',
        'vhds|ns:shop|cart.shop:9090',
      ],
    );
  });

  test('endpoints: an assignment for each cluster, then EDS local', () => {
    assert.deepEqual(
      compileService('endpoints', 'cart.shop', inputs).map(({ type, variant, name }) =>
        resourceKey(type, variant, name),
      ),
      [
        'eds||cart.shop:70',
        'eds||cart.shop:80',
        'eds||cart.shop:80/v1',
        'eds||cart.shop:80/v2',
        'eds||cart.shop:9090',
        'eds||cart.shop:9090/v1',
        'eds||cart.shop:9090/v2',
        'local||cart.shop',
      ],
    );
  });

  test('a service that is not registered has none', () => {
    for (const unit of ['config', 'endpoints'] as const)
      assert.deepEqual(compileService(unit, 'gone.shop', inputs), []);
  });

  test('every cluster name that a virtual host uses is compiled by its service', () => {
    const all = compileAll(inputs);
    const clusters = new Set(all.filter(({ type }) => type === 'cds').map(({ name }) => name));
    for (const { clusters: used = [] } of all) for (const name of used) assert.ok(clusters.has(name), name);
  });

  test('all bytes are canonical', () => {
    for (const { type, name, body } of compileAll(inputs)) {
      assert.deepEqual(Buffer.from(recoded(type, body)), Buffer.from(body), `${type} ${name}`);
    }
  });

  test('EDS local of a service without endpoints is what an unknown caller gets', () => {
    assert.equal(find(compileAll(inputs), 'local', 'stock.shop').version, emptyAssignment('local').version);
  });
});

describe('reads', () => {
  const readsOf = (unit: 'config' | 'endpoints', name: string, yaml = YAML, services = [cart, stock]): string[] => {
    const inputs = mesh({ services, yaml });
    compileService(unit, name, inputs);
    return [...inputs.reads].sort();
  };

  test('a service reads of others only its targets', () => {
    assert.deepEqual(
      readsOf('config', 'cart.shop').filter((read) => !read.includes('cart.shop')),
      ['service stock.shop'],
    );
    assert.deepEqual(
      readsOf('config', 'stock.shop').filter((read) => !read.includes('stock.shop')),
      [],
    );
  });

  test('config does not read endpoints, except of an external service', () => {
    assert.ok(!readsOf('config', 'stock.shop').includes('endpoints stock.shop'));
    assert.ok(readsOf('config', 'cart.shop').includes('endpoints cart.shop'));
  });

  test('a service that is not registered: only that', () => {
    assert.deepEqual(readsOf('config', 'gone.shop'), ['service gone.shop']);
  });
});

describe('determinism', () => {
  const reference = bytes(
    compileAll(mesh({ services: [cart, stock], endpoints: { 'cart.shop': endpoints }, yaml: YAML })),
  );
  const shuffled = <T>(items: readonly T[]): fc.Arbitrary<T[]> =>
    fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
  const sortedKeys = (record: Readonly<Record<string, string>>, backwards: boolean): Record<string, string> =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b === backwards ? 1 : -1)));

  test('the order of ports, suffixes, documents, endpoints and labels makes no difference', () => {
    const documents = YAML.split('---');
    fc.assert(
      fc.property(
        shuffled(cart.ports),
        shuffled(['.mesh.local', '.svc.cluster.local']),
        shuffled(documents),
        shuffled(endpoints),
        fc.boolean(),
        (ports, suffixes, parts, given, backwards) => {
          const inputs = mesh({
            services: [{ ...cart, ports }, stock],
            suffixes,
            yaml: parts.join('---'),
            endpoints: {
              'cart.shop': given.map((each) => ({ ...each, labels: sortedKeys(each.labels ?? {}, backwards) })),
            },
          });
          assert.deepEqual(bytes(compileAll(inputs)), reference);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a version is that of the bytes: it changes with them, and comes back with them', () => {
    const version = (yaml: string): string =>
      find(compileAll(mesh({ services: [cart, stock], yaml })), 'vhds', 'cart.shop:80').version;
    const before = version(YAML);
    assert.match(before, /^[A-Za-z0-9_-]{16}$/);
    assert.notEqual(version(YAML.replace('timeout: 2s', 'timeout: 3s')), before);
    assert.equal(version(YAML), before);
  });

  test('the two variants of a virtual host have versions of their own', () => {
    const all = compileAll(mesh({ services: [stock] }));
    assert.notEqual(find(all, 'vhds', 'stock.shop:80').version, find(all, 'vhds', 'stock.shop:80', 'ns:shop').version);
  });

  test('a change of a Route changes virtual hosts only; of an endpoint, assignments only', () => {
    const compile = (yaml: string, count: number): Map<string, string> =>
      new Map(
        compileAll(mesh({ services: [stock], endpoints: { 'stock.shop': endpoints.slice(0, count) }, yaml })).map(
          ({ type, variant, name, version }) => [resourceKey(type, variant, name), version],
        ),
      );
    const changed = (a: Map<string, string>, b: Map<string, string>): string[] =>
      [...a.keys()].filter((key) => a.get(key) !== b.get(key));
    const route = 'kind: Route\nmetadata: {name: stock, namespace: shop}\nspec: {timeout: 2s}';
    assert.deepEqual(changed(compile('', 3), compile(route, 3)), ['vhds||stock.shop:80', 'vhds|ns:shop|stock.shop:80']);
    assert.deepEqual(changed(compile('', 3), compile('', 2)), ['eds||stock.shop:80', 'local||stock.shop']);
  });
});

describe('size', () => {
  /** CDS, EDS and VHDS of one service port as three responses, as an on-demand answer sends them. */
  const held = (name: string, yaml: string): Record<string, number> => {
    const ten = Array.from({ length: 10 }, (_, index) =>
      endpoint(`e${index}`, {
        address: `10.128.${100 + index}.2${index}`,
        ports: { 8080: 18080 },
        weight: 100,
        labels: { version: 'v1' },
        locality: { region: 'eu-central-1', zone: `eu-central-1${'abc'[index % 3]}` },
      }),
    );
    const resources = compileAll(
      mesh({ services: [service(name, { ports: [http(8080)] })], endpoints: { [name]: ten }, yaml }),
    );
    const canonical = `${name}:8080`;
    const response = (typeUrl: string, resource: Uint8Array): number =>
      composeDeltaResponse({ typeUrl, nonce: '123456', resources: [resource], removed: [] }).length;
    const cds = find(resources, 'cds', canonical);
    const eds = find(resources, 'eds', canonical);
    const vhds = find(resources, 'vhds', canonical, 'ns:default');
    const rc = 'outbound';
    return {
      cds: response(CDS, encodeResource({ ...cds, typeUrl: CDS })),
      eds: response(EDS, encodeResource({ ...eds, typeUrl: EDS })),
      vhds: response(
        VHDS,
        encodeVirtualHostResource({
          name: `${rc}/${canonical}`,
          version: vhds.version,
          tail: vhds.body,
          aliases: (vhds.domains ?? []).map((domain) => `${rc}/${domain}`),
        }),
      ),
    };
  };
  const total = (parts: Record<string, number>): number => Object.values(parts).reduce((sum, size) => sum + size, 0);

  test('one held service port is at most 2.5 KB: CDS, EDS of 10 endpoints, VHDS, with wrappers', (t) => {
    const plain = held('productcatalogservice.default', '');
    const documents = `
kind: Route
metadata: {name: productcatalogservice}
spec: {timeout: 2s, retry: {attempts: 2, when: {gateway: true}}}
---
kind: Upstream
metadata: {name: productcatalogservice}
spec: {limits: {requests: 200}, outlier: {consecutive5xx: 10, ejectTime: 15m}}
`;
    const full = held('productcatalogservice.default', documents);
    t.diagnostic(`without documents ${JSON.stringify(plain)}, ${total(plain)} bytes`);
    t.diagnostic(`with Route and Upstream ${JSON.stringify(full)}, ${total(full)} bytes`);
    assert.ok(total(plain) <= 2_500, `${total(plain)}`);
    assert.ok(total(full) <= 2_500, `${total(full)}`);
  });

  test('a changed time-out is at most 1.5 KB for each holder', () => {
    assert.ok(
      (held(
        'productcatalogservice.default',
        'kind: Route\nmetadata: {name: productcatalogservice}\nspec: {timeout: 2s}',
      ).vhds ?? 0) <= 1_500,
    );
  });

  test('it does not depend on the other services', () => {
    const names = (count: number): ServiceView[] =>
      Array.from({ length: count }, (_, index) => service(`s${index}.shop`));
    const versions = [100, 5_000].map((count) =>
      bytes(compileService('config', 's7.shop', mesh({ services: names(count) }))),
    );
    assert.deepEqual(versions[0], versions[1]);
  });
});
