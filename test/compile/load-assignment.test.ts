/** Load assignments: endpoints of policies.md section 2, localities, subsets, EDS `local`, blocks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileService, type EndpointBlock, type EndpointView } from '../../src/compile/index.ts';
import { plainResource, recoded } from './plain.ts';
import { block, compileAll, endpoint, find, http, mesh, port, service } from './support.ts';

const NAME = 'cart.shop:80';

interface PlainAssignment {
  readonly clusterName: string;
  readonly endpoints?: readonly {
    readonly locality?: object;
    readonly lbEndpoints: readonly {
      readonly endpoint: {
        readonly address: { readonly socketAddress: { readonly address: string; readonly portValue: number } };
      };
      readonly healthStatus?: number;
      readonly loadBalancingWeight?: { readonly value: number };
    }[];
    readonly loadBalancingWeight: { readonly value: number };
  }[];
}

const cart = (endpoints: readonly EndpointView[], yaml = '') =>
  mesh({
    services: [service('cart.shop', { ports: [http(80), http(8080)] })],
    endpoints: { 'cart.shop': endpoints },
    yaml,
  });

const assignment = (endpoints: readonly EndpointView[], name = NAME, yaml = ''): PlainAssignment => {
  const { body } = find(compileAll(cart(endpoints, yaml)), 'eds', name);
  assert.deepEqual(Buffer.from(recoded('eds', body)), Buffer.from(body), 'canonical bytes');
  return plainResource('eds', body) as PlainAssignment;
};

const only = (endpoints: readonly EndpointView[], name = NAME) => {
  const { endpoints: localities = [] } = assignment(endpoints, name);
  const [locality] = localities;
  assert.ok(locality !== undefined && localities.length === 1);
  return locality;
};

const addresses = (endpoints: readonly EndpointView[], name = NAME): string[] =>
  only(endpoints, name).lbEndpoints.map(({ endpoint: { address } }) => {
    const { socketAddress } = address;
    return `${socketAddress.address}:${socketAddress.portValue}`;
  });

describe('an endpoint', () => {
  test('callers dial its sidecar, else the port of its application, else the service port', () => {
    const endpoints = [
      endpoint('1', { ports: { 80: 9000 }, inbound: { 80: 15006 } }),
      endpoint('2', { ports: { 80: 9000 } }),
      endpoint('3'),
      endpoint('4', { ports: { 8080: 9001 }, inbound: { 8080: 65535 } }),
    ];
    assert.deepEqual(addresses(endpoints), ['10.0.0.1:15006', '10.0.0.2:9000', '10.0.0.3:80', '10.0.0.4:80']);
    assert.deepEqual(addresses(endpoints, 'cart.shop:8080'), [
      '10.0.0.1:8080',
      '10.0.0.2:8080',
      '10.0.0.3:8080',
      '10.0.0.4:65535',
    ]);
  });

  test('IPv6 addresses, the longest too', () => {
    const longest = '0000:0000:0000:0000:0000:ffff:255.255.255.255';
    assert.deepEqual(addresses([endpoint('1', { address: '::1' }), endpoint('2', { address: longest })]), [
      '::1:80',
      `${longest}:80`,
    ]);
  });

  test('health: absent and healthy are the same bytes; unhealthy and draining stay in the list with their state', () => {
    const statuses = only([
      endpoint('1'),
      endpoint('2', { health: 'healthy' }),
      endpoint('3', { health: 'unhealthy' }),
      endpoint('4', { health: 'draining' }),
    ]).lbEndpoints.map(({ healthStatus }) => healthStatus);
    assert.deepEqual(
      statuses,
      [0, 0, 2, 3].map((status) => (status === 0 ? undefined : status)),
    );
  });

  test('weight: written when given; 0 leaves the endpoint out', () => {
    const { lbEndpoints, loadBalancingWeight } = only([
      endpoint('1'),
      endpoint('2', { weight: 7 }),
      endpoint('3', { weight: 0 }),
      endpoint('4', { weight: 65535 }),
    ]);
    assert.deepEqual(
      lbEndpoints.map((each) => each.loadBalancingWeight?.value),
      [undefined, 7, 65535],
    );
    assert.equal(loadBalancingWeight.value, 1 + 7 + 65535);
  });
});

describe('localities', () => {
  const placed = (id: string, zone: string, subzone?: string): EndpointView =>
    endpoint(id, { locality: { region: 'eu', zone, ...(subzone === undefined ? {} : { subzone }) } });

  test('sorted, each with the weight of its endpoints; none given comes first', () => {
    const { endpoints = [] } = assignment([
      placed('1', 'b'),
      placed('2', 'a', 'r2'),
      endpoint('3'),
      placed('4', 'a'),
      placed('5', 'b'),
    ]);
    assert.deepEqual(
      endpoints.map(({ locality, lbEndpoints, loadBalancingWeight }) => [
        locality,
        lbEndpoints.length,
        loadBalancingWeight.value,
      ]),
      [
        [undefined, 1, 1],
        [{ region: 'eu', zone: 'a' }, 1, 1],
        [{ region: 'eu', zone: 'a', subZone: 'r2' }, 1, 1],
        [{ region: 'eu', zone: 'b' }, 2, 2],
      ],
    );
  });

  test('a locality without an endpoint that counts is not there', () => {
    const { endpoints } = assignment([endpoint('1', { locality: { zone: 'a' }, weight: 0 })]);
    assert.equal(endpoints, undefined);
  });
});

test('a service without endpoints has an empty assignment', () => {
  assert.deepEqual(assignment([]), { clusterName: NAME });
});

describe('subsets', () => {
  const yaml = `
kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {subsets: {v1: {labels: {version: v1}}, green: {labels: {version: v1, color: green}}, none: {labels: {version: v9}}}}
---
kind: Route
metadata: {name: cart, namespace: shop}
spec: {to: {v1: {}, green: {}, none: {}}}
`;
  const endpoints = [
    endpoint('1', { labels: { version: 'v1' } }),
    endpoint('2', { labels: { color: 'green', version: 'v1' } }),
    endpoint('3', { labels: { version: 'v2' } }),
    endpoint('4'),
  ];
  const ids = (name: string): string[] =>
    (assignment(endpoints, name, yaml).endpoints ?? []).flatMap(({ lbEndpoints }) =>
      lbEndpoints.map((each) => each.endpoint.address.socketAddress.address.slice(7)),
    );

  test('hold the endpoints that have all labels', () => {
    assert.deepEqual(ids(`${NAME}/v1`), ['1', '2']);
    assert.deepEqual(ids(`${NAME}/green`), ['2']);
    assert.deepEqual(ids(NAME), ['1', '2', '3', '4']);
    assert.equal(assignment(endpoints, `${NAME}/v1`, yaml).clusterName, `${NAME}/v1`);
  });

  test('without an endpoint they have an empty assignment: 503 at once', () => {
    assert.deepEqual(assignment(endpoints, `${NAME}/none`, yaml), { clusterName: `${NAME}/none` });
  });

  test('a label name that every object has is no label', () => {
    const odd = yaml.replaceAll('version: v9', 'toString: x');
    assert.deepEqual(assignment(endpoints, `${NAME}/none`, odd), { clusterName: `${NAME}/none` });
  });
});

describe('EDS local', () => {
  test('every endpoint of the service with its lowest port, whatever its weight, health and port order', () => {
    const inputs = mesh({
      services: [service('cart.shop', { ports: [port(9090, 'grpc'), port(70, 'tcp'), http(80)] })],
      endpoints: {
        'cart.shop': [
          endpoint('1', { weight: 0, locality: { zone: 'a' } }),
          endpoint('2', { health: 'draining', inbound: { 70: 15070 }, locality: { zone: 'a' } }),
          endpoint('3', { weight: 9, locality: { zone: 'b' } }),
        ],
      },
    });
    const { body, variant } = find(compileAll(inputs), 'local', 'cart.shop');
    assert.equal(variant, '');
    const { clusterName, endpoints = [] } = plainResource('local', body) as PlainAssignment;
    assert.equal(clusterName, 'local');
    assert.deepEqual(
      endpoints.map(({ lbEndpoints, loadBalancingWeight }) => [
        loadBalancingWeight.value,
        ...lbEndpoints.map(({ endpoint: { address }, ...rest }) => [
          address.socketAddress.portValue,
          Object.keys(rest).length,
        ]),
      ]),
      [
        [2, [70, 0], [15070, 0]],
        [1, [70, 0]],
      ],
    );
    assert.deepEqual(Buffer.from(recoded('local', body)), Buffer.from(body));
  });
});

describe('blocks', () => {
  const many = (from: number, count: number): EndpointView[] =>
    Array.from({ length: count }, (_, index) =>
      endpoint(`e${from + index}`, {
        address: `10.${(from + index) >> 16}.${((from + index) >> 8) & 255}.${(from + index) & 255}`,
        locality: { region: 'eu', zone: 'abc'[index % 3] ?? 'a' },
        labels: { version: `v${index % 2}` },
      }),
    );

  const counted = (endpoints: readonly EndpointView[]): EndpointBlock & { reads: number } => {
    const made = {
      reads: 0,
      size: endpoints.length,
      endpoints: () => {
        made.reads += 1;
        return endpoints;
      },
    };
    return made;
  };

  const compile = (blocks: readonly EndpointBlock[]) =>
    compileService(
      'endpoints',
      'cart.shop',
      mesh({ services: [service('cart.shop')], blocks: { 'cart.shop': blocks } }),
    );

  test('many blocks give the bytes of one', () => {
    const parts = [many(0, 100), many(100, 56), many(156, 144)];
    const split = find(compile(parts.map(block)), 'eds', NAME);
    const whole = find(compile([block(parts.flat())]), 'eds', NAME);
    // Localities repeat per block in the same order, so joining equals one block.
    assert.equal(split.version, whole.version);
    assert.deepEqual(Buffer.from(recoded('eds', split.body)), Buffer.from(split.body));
  });

  test('an unchanged block is read once for each assignment, however often its service is compiled', () => {
    const blocks = [counted(many(0, 64)), counted(many(64, 64)), counted(many(128, 64))];
    compile(blocks);
    const changed = counted(many(64, 63));
    const again = compile([...blocks.slice(0, 1), changed, ...blocks.slice(2)]);
    compile([...blocks.slice(0, 1), changed, ...blocks.slice(2)]);
    // One read for the port's assignment, one for EDS local.
    assert.deepEqual(
      [...blocks, changed].map(({ reads }) => reads),
      [2, 2, 2, 2],
    );
    const localities = (plainResource('eds', find(again, 'eds', NAME).body) as PlainAssignment).endpoints ?? [];
    assert.equal(
      localities.reduce((sum, { lbEndpoints }) => sum + lbEndpoints.length, 0),
      191,
    );
  });

  test('10,000 endpoints fit, 28 bytes each', () => {
    const blocks = Array.from({ length: 40 }, (_, index) => block(many(index * 250, 250)));
    const { body } = find(compile(blocks), 'eds', NAME);
    const { endpoints = [] } = plainResource('eds', body) as PlainAssignment;
    assert.equal(
      endpoints.reduce((sum, { lbEndpoints }) => sum + lbEndpoints.length, 0),
      10_000,
    );
    assert.ok(body.length < 10_000 * 28, `${body.length} bytes`);
  });
});
