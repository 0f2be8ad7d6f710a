/** Every field of Upstream version 1 (policies.md section 5) and of Service (section 2) in `Cluster`. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServiceView } from '../../src/compile/index.ts';
import { plain } from './plain.ts';
import { clusterOf, compileAll, endpoint, http, mesh, port, service } from './support.ts';

/** A wrapper that holds 0: sent, with nothing in it. */
const ZERO = {};
const UNLIMITED = 4_294_967_295;
const NAME = 'cart.shop:80';

const cluster = (spec: string, fields: Partial<ServiceView> = {}, name = NAME): Record<string, unknown> => {
  const yaml = spec === '' ? '' : `kind: Upstream\nmetadata: {name: cart, namespace: shop}\nspec: ${spec}`;
  return plain(clusterOf(mesh({ services: [service('cart.shop', fields)], yaml }), name)) as Record<string, unknown>;
};

const policyOf = (spec: string): Record<string, unknown> => {
  const { loadBalancingPolicy } = cluster(spec) as {
    loadBalancingPolicy: {
      policies: { typedExtensionConfig: { name: string; typedConfig: Record<string, unknown> } }[];
    };
  };
  const [first, ...rest] = loadBalancingPolicy.policies;
  assert.deepEqual(rest, []);
  const { name, typedConfig } = first?.typedExtensionConfig ?? { name: '', typedConfig: {} };
  const { '@type': type, ...fields } = typedConfig;
  return { name, type: String(type).split('/')[1], ...fields };
};

const seconds = (value: number): object => ({ seconds: value });

test('a cluster without documents has every default written out', () => {
  assert.deepEqual(cluster(''), {
    name: NAME,
    type: 3,
    edsClusterConfig: {
      edsConfig: { ads: {}, resourceApiVersion: 2, initialFetchTimeout: seconds(2) },
    },
    connectTimeout: seconds(1),
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: { value: UNLIMITED },
          maxPendingRequests: { value: UNLIMITED },
          maxRequests: { value: UNLIMITED },
          retryBudget: { budgetPercent: { value: 20 }, minRetryConcurrency: { value: 3 } },
        },
      ],
    },
    commonLbConfig: { healthyPanicThreshold: { value: 1 } },
    loadBalancingPolicy: {
      policies: [
        {
          typedExtensionConfig: {
            name: 'envoy.load_balancing_policies.least_request',
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
              choiceCount: { value: 2 },
              localityLbConfig: { zoneAwareLbConfig: { minClusterSize: { value: 2 } } },
            },
          },
        },
      ],
    },
  });
});

describe('lb', () => {
  const cases: readonly [spec: string, name: string, fields: object][] = [
    [
      '{lb: {roundRobin: {}}}',
      'round_robin.v3.RoundRobin',
      { localityLbConfig: { zoneAwareLbConfig: { minClusterSize: { value: 2 } } } },
    ],
    [
      '{lb: {leastRequest: {choices: 5}}}',
      'least_request.v3.LeastRequest',
      { choiceCount: { value: 5 }, localityLbConfig: { zoneAwareLbConfig: { minClusterSize: { value: 2 } } } },
    ],
    [
      '{lb: {random: {}}}',
      'random.v3.Random',
      { localityLbConfig: { zoneAwareLbConfig: { minClusterSize: { value: 2 } } } },
    ],
    [
      '{lb: {ringHash: {min: 128, max: 4096, bound: 150}}, hash: [{ip: true}]}',
      'ring_hash.v3.RingHash',
      {
        minimumRingSize: { value: 128 },
        maximumRingSize: { value: 4096 },
        consistentHashingLbConfig: { hashBalanceFactor: { value: 150 } },
      },
    ],
    ['{lb: {ringHash: {}}, hash: [{ip: true}]}', 'ring_hash.v3.RingHash', {}],
    [
      '{lb: {maglev: {table: 5003, bound: 120}}, hash: [{ip: true}]}',
      'maglev.v3.Maglev',
      { tableSize: { value: 5003 }, consistentHashingLbConfig: { hashBalanceFactor: { value: 120 } } },
    ],
    ['{lb: {maglev: {}}, hash: [{ip: true}]}', 'maglev.v3.Maglev', {}],
  ];
  for (const [spec, type, fields] of cases) {
    test(spec, () => {
      const [, word = ''] = /^([a-z_]+)\./.exec(type) ?? [];
      assert.deepEqual(policyOf(spec), {
        name: `envoy.load_balancing_policies.${word}`,
        type: `envoy.extensions.load_balancing_policies.${type}`,
        ...fields,
      });
    });
  }

  test('locality.zoneAware false routes to all zones alike', () => {
    for (const lb of ['roundRobin', 'leastRequest', 'random']) {
      const policy = policyOf(`{lb: {${lb}: {}}, locality: {zoneAware: false}}`);
      assert.deepEqual(policy.localityLbConfig, { zoneAwareLbConfig: { routingEnabled: ZERO } }, lb);
    }
  });
});

describe('panicPercent and limits', () => {
  test('panicPercent', () => {
    assert.deepEqual(cluster('{panicPercent: 0}').commonLbConfig, { healthyPanicThreshold: ZERO });
    assert.deepEqual(cluster('{panicPercent: 50}').commonLbConfig, { healthyPanicThreshold: { value: 50 } });
  });

  test('every limit', () => {
    const spec =
      '{limits: {connections: 10, pending: 20, requests: 30, perEndpoint: 4, retryPercent: 12.5, minRetries: 0}}';
    assert.deepEqual(cluster(spec).circuitBreakers, {
      thresholds: [
        {
          maxConnections: { value: 10 },
          maxPendingRequests: { value: 20 },
          maxRequests: { value: 30 },
          retryBudget: { budgetPercent: { value: 12.5 }, minRetryConcurrency: ZERO },
        },
      ],
      perHostThresholds: [{ maxConnections: { value: 4 } }],
    });
  });

  test('requestsPerConnection, for each protocol', () => {
    const options = (protocol: 'http' | 'http2' | 'grpc' | 'tcp', spec: string): unknown =>
      cluster(spec, { ports: [port(80, protocol)] }).typedExtensionProtocolOptions;
    const key = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
    const made = (fields: object): object => ({ [key]: { '@type': `type.googleapis.com/${key}`, ...fields } });
    const limited = '{limits: {requestsPerConnection: 7}}';
    const common = { commonHttpProtocolOptions: { maxRequestsPerConnection: { value: 7 } } };
    assert.equal(options('http', ''), undefined);
    assert.deepEqual(options('http', limited), made({ ...common, explicitHttpConfig: { httpProtocolOptions: {} } }));
    for (const protocol of ['http2', 'grpc'] as const) {
      assert.deepEqual(options(protocol, ''), made({ explicitHttpConfig: { http2ProtocolOptions: {} } }), protocol);
      assert.deepEqual(
        options(protocol, limited),
        made({ ...common, explicitHttpConfig: { http2ProtocolOptions: {} } }),
        protocol,
      );
    }
    assert.equal(options('tcp', limited), undefined);
  });
});

describe('outlier', () => {
  test('the section alone: defaults of policies.md, both rules enforced, no other rule of Envoy', () => {
    assert.deepEqual(cluster('{outlier: {ejectTime: 30s}}').outlierDetection, {
      consecutive5xx: { value: 5 },
      enforcingConsecutive5xx: { value: 100 },
      consecutiveGatewayFailure: { value: 5 },
      enforcingConsecutiveGatewayFailure: { value: 100 },
      enforcingSuccessRate: ZERO,
      interval: seconds(5),
      baseEjectionTime: seconds(30),
      maxEjectionTime: seconds(300),
      maxEjectionPercent: { value: 70 },
    });
  });

  test('every field', () => {
    const spec =
      '{outlier: {consecutive5xx: 10, consecutiveGateway: 3, ejectTime: 15m, maxEjectTime: 20m, maxPercent: 100, interval: 1500ms}}';
    assert.deepEqual(cluster(spec).outlierDetection, {
      consecutive5xx: { value: 10 },
      enforcingConsecutive5xx: { value: 100 },
      consecutiveGatewayFailure: { value: 3 },
      enforcingConsecutiveGatewayFailure: { value: 100 },
      enforcingSuccessRate: ZERO,
      interval: { seconds: 1, nanos: 500_000_000 },
      baseEjectionTime: seconds(900),
      maxEjectionTime: seconds(1200),
      maxEjectionPercent: { value: 100 },
    });
  });

  test('maxEjectTime is never below ejectTime: Envoy would refuse the cluster', () => {
    const { baseEjectionTime, maxEjectionTime } = cluster('{outlier: {ejectTime: 15m}}').outlierDetection as Record<
      string,
      unknown
    >;
    assert.deepEqual([baseEjectionTime, maxEjectionTime], [seconds(900), seconds(900)]);
  });

  test('a count of 0 switches a rule off', () => {
    const outlier = cluster('{outlier: {consecutive5xx: 0, consecutiveGateway: 0}}').outlierDetection as Record<
      string,
      unknown
    >;
    assert.deepEqual(outlier.enforcingConsecutive5xx, ZERO);
    assert.deepEqual(outlier.enforcingConsecutiveGatewayFailure, ZERO);
    assert.equal(outlier.consecutive5xx, undefined);
    assert.equal(outlier.consecutiveGatewayFailure, undefined);
  });

  test('ejections take effect at once: changes of health are not merged', () => {
    assert.deepEqual(cluster('{outlier: {ejectTime: 30s}}').commonLbConfig, {
      healthyPanicThreshold: { value: 1 },
      updateMergeWindow: {},
    });
  });
});

describe('subsets', () => {
  const yaml = `
kind: Upstream
metadata: {name: cart, namespace: shop}
spec:
  limits: {requests: 200, pending: 50}
  subsets:
    v1: {labels: {version: v1}}
    v2: {labels: {version: v2}, limits: {requests: 5}, lb: {roundRobin: {}}}
    v3: {labels: {version: v3}}
---
kind: Route
metadata: {name: cart, namespace: shop}
spec:
  to: {v1: {weight: 95}, v2: {weight: 5}}
`;

  test('a subset that a route uses is a cluster with its own settings; one that no route uses is none', () => {
    const inputs = mesh({ services: [service('cart.shop')], yaml });
    const names = compileAll(inputs)
      .filter(({ type }) => type === 'cds')
      .map(({ name }) => name);
    assert.deepEqual(names, ['cart.shop:80', 'cart.shop:80/v1', 'cart.shop:80/v2']);
    const v2 = plain(clusterOf(inputs, 'cart.shop:80/v2')) as Record<string, unknown>;
    assert.equal(v2.name, 'cart.shop:80/v2');
    const [threshold] = (v2.circuitBreakers as { thresholds: Record<string, unknown>[] }).thresholds;
    assert.deepEqual(threshold?.maxRequests, { value: 5 });
    assert.deepEqual(threshold?.maxPendingRequests, { value: 50 });
    assert.match(JSON.stringify(v2.loadBalancingPolicy), /round_robin/);
  });

  test('a subset that only a rule, or only a route of another service uses, is a cluster too', () => {
    const rule = mesh({
      services: [service('cart.shop')],
      yaml: yaml.replace(
        'to: {v1: {weight: 95}, v2: {weight: 5}}',
        'rules: {beta: {match: {headers: {x: y}}, to: {v3: {}}}}',
      ),
    });
    assert.equal(clusterOf(rule, 'cart.shop:80/v3').name, 'cart.shop:80/v3');
    const elsewhere = mesh({
      services: [service('cart.shop')],
      yaml: yaml.slice(0, yaml.indexOf('---')),
      elsewhere: {
        'cart.shop': [
          { port: 80, subset: 'v3' },
          { port: 80, subset: 'v9' },
          { port: 99, subset: 'v1' },
        ],
      },
    });
    assert.equal(clusterOf(elsewhere, 'cart.shop:80/v3').name, 'cart.shop:80/v3');
    assert.equal(compileAll(elsewhere).filter(({ type }) => type === 'cds').length, 2);
  });

  test('each port has its own subsets', () => {
    const inputs = mesh({
      services: [service('cart.shop', { ports: [http(80), port(90, 'grpc'), port(100, 'tcp')] })],
      yaml,
    });
    const names = compileAll(inputs)
      .filter(({ type }) => type === 'cds')
      .map(({ name }) => name);
    assert.deepEqual(names, [
      'cart.shop:80',
      'cart.shop:80/v1',
      'cart.shop:80/v2',
      'cart.shop:90',
      'cart.shop:90/v1',
      'cart.shop:90/v2',
      'cart.shop:100',
    ]);
  });
});

describe('external services', () => {
  const fields = { externalHosts: ['www.example.com', 'api.example.com'], ports: [http(443)] };

  test('without endpoints the sidecar resolves the first host', () => {
    const inputs = mesh({ services: [service('cart.shop', fields)] });
    const made = plain(clusterOf(inputs, 'cart.shop:443')) as Record<string, unknown>;
    assert.equal(made.type, 1);
    assert.equal(made.edsClusterConfig, undefined);
    assert.deepEqual(made.loadAssignment, {
      clusterName: 'cart.shop:443',
      endpoints: [
        {
          lbEndpoints: [{ endpoint: { address: { socketAddress: { address: 'www.example.com', portValue: 443 } } } }],
          loadBalancingWeight: { value: 1 },
        },
      ],
    });
    const resources = compileAll(inputs);
    assert.equal(resources.find(({ type }) => type === 'cds')?.eds, undefined);
    assert.deepEqual(
      resources.filter(({ type }) => type === 'eds'),
      [],
    );
  });

  test('with endpoint records it is like any other', () => {
    const inputs = mesh({ services: [service('cart.shop', fields)], endpoints: { 'cart.shop': [endpoint('1')] } });
    assert.equal(clusterOf(inputs, 'cart.shop:443').type, 3);
    assert.equal(compileAll(inputs).find(({ type }) => type === 'eds')?.name, 'cart.shop:443');
  });
});

test('the EDS name of a cluster is its own name, and it is said beside the bytes', () => {
  for (const { name, eds, body } of compileAll(
    mesh({ services: [service('cart.shop', { ports: [http(80), port(81, 'tcp')] })] }),
  ).filter(({ type }) => type === 'cds')) {
    assert.equal(eds, name);
    assert.ok(body.length > 0);
  }
});
