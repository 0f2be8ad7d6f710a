/** A node's own resources (contracts, "listeners" and "base clusters"), and what is the same for every node. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  compileOwn,
  emptyAssignment,
  emptyCluster,
  type OwnInputs,
  type OwnResources,
  routeConfiguration,
} from '../../src/compile/index.ts';
import { plainResource, recoded } from './plain.ts';
import { endpoint, port, service } from './support.ts';

const own = (inputs: Partial<OwnInputs> = {}): OwnResources =>
  compileOwn({
    caller: 'cart.shop',
    namespace: 'shop',
    onDemand: true,
    serviceAccount: undefined,
    listen: { address: '127.0.0.1', outbound: 15001, inbound: undefined },
    service: undefined,
    endpoint: undefined,
    tcp: [],
    ...inputs,
  });

type Fields = Record<string, unknown>;

const listenerOf = (resources: OwnResources, name: string): Fields => {
  const found = resources.listeners.get(name);
  assert.ok(found !== undefined, `no listener ${name}`);
  assert.deepEqual(Buffer.from(recoded('lds', found.body)), Buffer.from(found.body), 'canonical bytes');
  return plainResource('lds', found.body) as Fields;
};

const filtersOf = (listener: Fields): { name: string; typedConfig: Fields }[] => {
  const [chain, ...more] = listener.filterChains as { filters: { name: string; typedConfig: Fields }[] }[];
  assert.deepEqual(more, []);
  return chain?.filters ?? [];
};

const addressOf = (listener: Fields): string => {
  const { socketAddress } = listener.address as { socketAddress: { address: string; portValue: number } };
  return `${socketAddress.address}:${socketAddress.portValue}`;
};

/** `inbound/80 -> 127.0.0.1:15006 -> 10.0.0.1:8080`: where a port listens and where it goes. */
const ways = (resources: OwnResources): string[] =>
  [...resources.clusters].map(([name, { body }]) => {
    const listener = listenerOf(resources, name.replace(':', '/'));
    const { loadAssignment } = plainResource('cds', body) as {
      loadAssignment: { endpoints: { lbEndpoints: { endpoint: Fields }[] }[] };
    };
    const target = loadAssignment.endpoints[0]?.lbEndpoints[0]?.endpoint ?? {};
    return `${name} ${addressOf(listener)} -> ${addressOf(target)}`;
  });

const EDGE_LOG_CONFIG = {
  logName: 'tendril-edges',
  grpcService: { envoyGrpc: { clusterName: 'xds' } },
  transportApiVersion: 2,
  bufferFlushInterval: { seconds: 5 },
  bufferSizeBytes: { value: 65_536 },
};

describe('outbound', () => {
  const listener = listenerOf(
    own({ serviceAccount: 'cart-sa', listen: { address: '10.1.1.1', outbound: 9001, inbound: undefined } }),
    'outbound',
  );
  const [state, manager, ...rest] = filtersOf(listener);
  const config = manager?.typedConfig ?? {};

  test('listens where the node says, and says nothing else of itself', () => {
    assert.equal(addressOf(listener), '10.1.1.1:9001');
    assert.equal(listener.trafficDirection, 2);
    assert.deepEqual(rest, []);
    assert.deepEqual([...own().listeners.keys()], ['outbound']);
    assert.deepEqual([...own().clusters.keys()], []);
  });

  test('who calls is in the filter state: service, namespace, account where there is one', () => {
    const value = (objectKey: string, inlineString: string): object => ({
      objectKey,
      formatString: { textFormatSource: { inlineString } },
      factoryKey: 'envoy.string',
    });
    assert.equal(state?.name, 'envoy.filters.network.set_filter_state');
    assert.deepEqual(state?.typedConfig.onNewConnection, [
      value('tendril.caller', 'cart.shop'),
      value('tendril.caller.namespace', 'shop'),
      value('tendril.caller.account', 'shop/cart-sa'),
    ]);
    const [anonymous] = filtersOf(listenerOf(own(), 'outbound'));
    assert.equal((anonymous?.typedConfig.onNewConnection as unknown[] | undefined)?.length, 2);
  });

  test('virtual hosts come by RDS with VHDS; a request waits 10 s at most', () => {
    assert.deepEqual(config.rds, {
      configSource: { ads: {}, initialFetchTimeout: { seconds: 2 }, resourceApiVersion: 2 },
      routeConfigName: 'outbound',
    });
    assert.deepEqual(config.streamIdleTimeout, { seconds: 10 });
    assert.deepEqual(config.upgradeConfigs, [{ upgradeType: 'websocket' }]);
    assert.equal(config.stripAnyHostPort, undefined);
    assert.equal(config.codecType, undefined);
  });

  test('the chain has its later filters already, on_demand first, router last', () => {
    const filters = config.httpFilters as { name: string; typedConfig: Fields }[];
    assert.deepEqual(
      filters.map(({ name }) => name.replace('envoy.filters.http.', '')),
      ['on_demand', 'fault', 'local_ratelimit', 'router'],
    );
    // No initial_fetch_timeout there: Envoy does not honour it for odcds.
    assert.deepEqual(filters[0]?.typedConfig.odcds, {
      source: { ads: {}, resourceApiVersion: 2 },
      timeout: { seconds: 2 },
    });
  });

  test('requests are logged to the control plane, what is open every 30 s, starts not', () => {
    assert.deepEqual(config.accessLog, [
      {
        name: 'envoy.access_loggers.http_grpc',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
          commonConfig: EDGE_LOG_CONFIG,
          additionalResponseHeadersToLog: ['grpc-status'],
          additionalResponseTrailersToLog: ['grpc-status'],
        },
      },
    ]);
    assert.deepEqual(config.accessLogOptions, { accessLogFlushInterval: { seconds: 30 } });
  });

  test('32 local reply mappers: 4 groups of flags x 8 statuses, each its own', () => {
    const { mappers } = config.localReplyConfig as {
      mappers: { statusCode: { value: number }; filter: { andFilter: { filters: Fields[] } } }[];
    };
    const keys = mappers.map(
      ({ statusCode, filter }) => `${statusCode.value} ${JSON.stringify(filter.andFilter.filters[0])}`,
    );
    assert.equal(keys.length, 32);
    assert.equal(new Set(keys).size, 32);
  });

  test('only who calls and where it listens make the bytes', () => {
    const version = (inputs: Partial<OwnInputs>): string | undefined => own(inputs).listeners.get('outbound')?.version;
    assert.equal(
      version({}),
      version({
        service: service('cart.shop'),
        endpoint: endpoint('1'),
        tcp: [{ servicePort: 'a.b:1', localPort: 2 }],
      }),
    );
    assert.notEqual(version({}), version({ caller: 'web.shop' }));
    assert.notEqual(version({}), version({ serviceAccount: 'x' }));
  });
});

describe('inbound', () => {
  const listen = { address: '10.0.0.9', outbound: 15001, inbound: 15006 };
  const shop = (...ports: Parameters<typeof port>[]) =>
    service('cart.shop', { ports: ports.map((each) => port(...each)) });

  test('no service or no endpoint record: no inbound listener', () => {
    for (const inputs of [{ service: shop([80, 'http']) }, { endpoint: endpoint('1') }]) {
      assert.deepEqual([...own({ ...inputs, listen }).listeners.keys()], ['outbound']);
    }
  });

  test('the endpoint names the port of its sidecar', () => {
    const made = own({
      service: shop([8080, 'grpc'], [80, 'http'], [70, 'tcp'], [60, 'http']),
      endpoint: endpoint('1', { ports: { 80: 9000 }, inbound: { 80: 20080, 70: 20070, 8080: 28080 } }),
      listen,
    });
    assert.deepEqual(ways(made), [
      'inbound:70 10.0.0.9:20070 -> 10.0.0.1:70',
      'inbound:80 10.0.0.9:20080 -> 10.0.0.1:9000',
      'inbound:8080 10.0.0.9:28080 -> 10.0.0.1:8080',
    ]);
    assert.deepEqual([...made.listeners.keys()], ['outbound', 'inbound/70', 'inbound/80', 'inbound/8080']);
  });

  test("listen.inbound serves the service's only port", () => {
    assert.deepEqual(ways(own({ service: shop([80, 'http']), endpoint: endpoint('1'), listen })), [
      'inbound:80 10.0.0.9:15006 -> 10.0.0.1:80',
    ]);
    assert.deepEqual(ways(own({ service: shop([80, 'http'], [81, 'http']), endpoint: endpoint('1'), listen })), []);
  });

  test('a sidecar never listens on the address of its own application', () => {
    const fields = { address: '10.0.0.9', ports: { 80: 15006 } };
    assert.deepEqual(ways(own({ service: shop([80, 'http']), endpoint: endpoint('1', fields), listen })), []);
    assert.deepEqual(
      ways(own({ service: shop([80, 'http']), endpoint: endpoint('1', { ...fields, address: '10.0.0.8' }), listen })),
      ['inbound:80 10.0.0.9:15006 -> 10.0.0.8:15006'],
    );
  });

  test('HTTP: inline route without limits of its own; TCP: a plain proxy', () => {
    const made = own({
      service: shop([80, 'http'], [70, 'tcp']),
      endpoint: endpoint('1', { inbound: { 80: 20080, 70: 20070 } }),
      listen,
    });
    const [manager] = filtersOf(listenerOf(made, 'inbound/80'));
    assert.deepEqual(manager?.typedConfig.routeConfig, {
      name: 'inbound:80',
      virtualHosts: [
        {
          name: 'inbound:80',
          domains: ['*'],
          routes: [
            {
              name: 'inbound:80',
              match: { prefix: '/' },
              route: { cluster: 'inbound:80', timeout: {}, idleTimeout: {} },
            },
          ],
        },
      ],
      validateClusters: {},
    });
    assert.deepEqual(manager?.typedConfig.streamIdleTimeout, {});
    const [proxy] = filtersOf(listenerOf(made, 'inbound/70'));
    assert.deepEqual([proxy?.name, proxy?.typedConfig.cluster], ['envoy.filters.network.tcp_proxy', 'inbound:70']);
    assert.equal(proxy?.typedConfig.onDemand, undefined);
    assert.equal(listenerOf(made, 'inbound/80').trafficDirection, 1);
  });

  test('its cluster speaks the protocol of the port and has no limits', () => {
    const made = own({
      service: shop([80, 'http'], [90, 'http2'], [70, 'tcp']),
      endpoint: endpoint('1', { inbound: { 80: 20080, 90: 20090, 70: 20070 } }),
      listen,
    });
    const options = (name: string): string[] => {
      const cluster = plainResource('cds', made.clusters.get(name)?.body ?? new Uint8Array()) as Fields;
      assert.match(JSON.stringify(cluster.circuitBreakers), /4294967295.*4294967295.*4294967295.*4294967295/);
      return Object.keys((cluster.typedExtensionProtocolOptions as object | undefined) ?? {});
    };
    assert.deepEqual(options('inbound:80'), []);
    assert.deepEqual(options('inbound:90'), ['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']);
    assert.deepEqual(options('inbound:70'), []);
  });
});

test('tcp: a listener per declared dependency, its cluster on demand', () => {
  const made = own({
    listen: { address: '10.0.0.9', outbound: 15001, inbound: undefined },
    tcp: [
      { servicePort: 'redis.shop:6379', localPort: 16379 },
      { servicePort: 'sql.shop:5432', localPort: 15432 },
    ],
  });
  assert.deepEqual([...made.listeners.keys()], ['outbound', 'tcp/redis.shop:6379', 'tcp/sql.shop:5432']);
  const listener = listenerOf(made, 'tcp/redis.shop:6379');
  assert.equal(addressOf(listener), '10.0.0.9:16379');
  const [proxy] = filtersOf(listener);
  const { '@type': _type, ...config } = proxy?.typedConfig ?? {};
  assert.deepEqual(config, {
    statPrefix: 'tcp/redis.shop:6379',
    cluster: 'redis.shop:6379',
    accessLog: [
      {
        name: 'envoy.access_loggers.tcp_grpc',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
          commonConfig: EDGE_LOG_CONFIG,
        },
      },
    ],
    accessLogOptions: { accessLogFlushInterval: { seconds: 30 }, flushAccessLogOnConnected: true },
    onDemand: { odcdsConfig: { ads: {}, resourceApiVersion: 2 }, timeout: { seconds: 2 } },
  });
});

test('route configurations differ in their name only', () => {
  const vhds = { configSource: { ads: {}, initialFetchTimeout: { seconds: 2 }, resourceApiVersion: 2 } };
  for (const name of ['outbound', 'outbound~7']) {
    assert.deepEqual(plainResource('rds', routeConfiguration(name).body), { name, vhds });
  }
  assert.equal(routeConfiguration('outbound').version, routeConfiguration('outbound').version);
});

test('placeholders: a cluster and an assignment without endpoints', () => {
  assert.deepEqual(plainResource('cds', emptyCluster('x.y:1').body), {
    name: 'x.y:1',
    type: 0,
    connectTimeout: { seconds: 1 },
  });
  assert.deepEqual(plainResource('eds', emptyAssignment('x.y:1').body), { clusterName: 'x.y:1' });
});

test('a node that cannot ask by name gets listeners that do not wait for an answer', () => {
  const tcp = [{ servicePort: 'redis.shop:6379', localPort: 16379 }];
  const textOf = (onDemand: boolean, name: string): string =>
    Buffer.from(own({ onDemand, tcp }).listeners.get(name)?.body ?? '').toString('latin1');
  assert.match(textOf(true, 'outbound'), /envoy\.filters\.http\.on_demand/);
  assert.doesNotMatch(textOf(false, 'outbound'), /on_demand/);
  assert.match(textOf(false, 'outbound'), /envoy\.filters\.http\.router/);
  assert.ok(textOf(false, 'tcp/redis.shop:6379').length < textOf(true, 'tcp/redis.shop:6379').length);
});

test('the listener of a later generation differs in the name of its route configuration only', () => {
  const textOf = (routes?: string): string =>
    Buffer.from(own(routes === undefined ? {} : { routes }).listeners.get('outbound')?.body ?? '').toString('latin1');
  assert.equal(textOf('outbound'), textOf());
  const configOf = (routes: string) => {
    const made = own({ routes });
    const listener = listenerOf(made, 'outbound');
    const manager = filtersOf(listener).find(({ name }) => name === 'envoy.filters.network.http_connection_manager');
    return {
      listener: JSON.stringify(listener),
      rds: manager?.typedConfig.rds as { routeConfigName?: string } | undefined,
    };
  };
  const [first, second] = [configOf('outbound'), configOf('outbound~1')];
  assert.equal(first.rds?.routeConfigName, 'outbound');
  assert.equal(second.rds?.routeConfigName, 'outbound~1');
  assert.equal(
    second.listener.replace('"routeConfigName":"outbound~1"', '"routeConfigName":"outbound"'),
    first.listener,
  );
});
