/**
 * A real Envoy takes what our encoder writes: listener, route configuration and clusters as DiscoveryResponse files, with every field
 * of the patch set, dumps each of them again, and routes by them.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import * as proto from '../../src/proto/index.ts';
import { type HttpBackend, startHttpBackend } from '../support/backends.ts';
import { callHttp } from '../support/clients.ts';
import { assertHealthy, type Envoy, startEnvoy } from '../support/envoy.ts';
import { requirePart } from '../support/parts.ts';
import { repositoryRoot } from '../support/root.ts';

const { TYPE_URLS: URLS, packAny, encodeCanonical } = proto;
const enabled = { defaultValue: { numerator: 100 }, runtimeKey: 'x' };
const inline = (text: string) => ({ textFormatSource: { inlineString: text } });
const bucket = { maxTokens: 1000, tokensPerFill: { value: 1000 }, fillInterval: { seconds: 1 } };

const routes = encodeCanonical(proto.RouteConfiguration, {
  name: 'outbound',
  virtualHosts: [
    {
      name: 'outbound/cart.shop:80',
      domains: ['*'],
      requestBodyBufferLimit: { value: 4096 },
      routes: [
        {
          name: 'cookie',
          match: {
            prefix: '/',
            cookies: [
              { name: 'who', stringMatch: { exact: 'jason' } },
              { name: 'mode', stringMatch: { exact: 'dry' }, invertMatch: true },
            ],
          },
          directResponse: {
            status: 418,
            body: { inlineString: 'tea' },
            bodyFormat: inline('cookie for %REQ(:AUTHORITY)%'),
          },
        },
        {
          name: 'other-caller',
          match: { prefix: '/', filterState: [{ key: 'tendril.caller', stringMatch: { exact: 'other.shop' } }] },
          directResponse: { status: 500 },
        },
        {
          name: 'caller',
          match: { prefix: '/caller', filterState: [{ key: 'tendril.caller', stringMatch: { exact: 'web.shop' } }] },
          directResponse: { status: 203 },
        },
        {
          name: 'cart.shop:80',
          match: { prefix: '/' },
          requestBodyBufferLimit: { value: 1024 },
          route: {
            weightedClusters: {
              clusters: [
                { name: 'round_robin', weight: { value: 1 } },
                { name: 'least_request', weight: { value: 1 } },
              ],
              useHashPolicy: { value: true },
            },
            hashPolicy: [{ header: { headerName: 'x-user' } }],
            requestMirrorPolicies: [
              { cluster: 'maglev', hostRewriteLiteral: 'mirror', runtimeFraction: { defaultValue: {} } },
            ],
            timeout: {},
            idleTimeout: { seconds: 300 },
            retryPolicy: {
              retryOn: 'connect-failure',
              retryHostPredicate: [
                {
                  name: 'envoy.retry_host_predicates.previous_hosts',
                  typedConfig: packAny(URLS.PreviousHosts, proto.PreviousHosts, {}),
                },
              ],
              hostSelectionRetryMaxAttempts: 3,
            },
          },
          typedPerFilterConfig: {
            'envoy.filters.http.fault': packAny(URLS.HttpFault, proto.HttpFault, {
              abort: { httpStatus: 429, percentage: { numerator: 0 } },
            }),
            'envoy.filters.http.on_demand': packAny(URLS.OnDemandPerRoute, proto.OnDemandPerRoute, {}),
          },
        },
      ],
    },
  ],
});

const zoneAware = {
  minClusterSize: { value: 2 },
  forceLocalityDirectRouting: true,
  forceLocalZone: { minSize: { value: 1 } },
  localityBasis: 1,
} as const;
const locality = { zoneAwareLbConfig: zoneAware };
const consistent = { useHostnameForHashing: false, hashBalanceFactor: { value: 150 } };
const policies = {
  round_robin: packAny(URLS.RoundRobin, proto.RoundRobin, { localityLbConfig: locality }),
  least_request: packAny(URLS.LeastRequest, proto.LeastRequest, {
    choiceCount: { value: 2 },
    localityLbConfig: locality,
  }),
  random: packAny(URLS.RandomLb, proto.RandomLb, { localityLbConfig: locality }),
  ring_hash: packAny(URLS.RingHash, proto.RingHash, {
    minimumRingSize: { value: 16 },
    consistentHashingLbConfig: consistent,
  }),
  maglev: packAny(URLS.Maglev, proto.Maglev, { tableSize: { value: 251 }, consistentHashingLbConfig: consistent }),
};

const clusters = (port: number) =>
  Object.entries(policies).map(([name, typedConfig]) =>
    encodeCanonical(proto.Cluster, {
      name,
      type: proto.Cluster.DiscoveryType.STATIC,
      connectTimeout: { seconds: 1 },
      loadAssignment: {
        clusterName: name,
        endpoints: [
          { lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } } }] },
        ],
      },
      loadBalancingPolicy: {
        policies: [{ typedExtensionConfig: { name: `envoy.load_balancing_policies.${name}`, typedConfig } }],
      },
      outlierDetection: {
        consecutive5xx: { value: 5 },
        baseEjectionTime: { seconds: 900 },
        maxEjectionPercent: { value: 70 },
      },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packAny(
          URLS.HttpProtocolOptions,
          proto.HttpProtocolOptions,
          {
            commonHttpProtocolOptions: {
              maxConnectionDuration: { seconds: 3600 },
              maxConnectionDurationJitter: { value: 10 },
              maxResponseHeadersKb: { value: 96 },
            },
            explicitHttpConfig: { httpProtocolOptions: {} },
          },
        ),
      },
    }),
  );

const commonConfig = {
  logName: 'mesh',
  grpcService: { envoyGrpc: { clusterName: 'xds' } },
  transportApiVersion: 2,
} as const;
const file = (path: string) => ({ pathConfigSource: { path }, resourceApiVersion: 2 }) as const;
const caller = { objectKey: 'tendril.caller', factoryKey: 'envoy.string', formatString: inline('web.shop') };

const httpListener = (rdsFile: string) =>
  encodeCanonical(proto.Listener, {
    name: 'outbound',
    address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.set_filter_state',
            typedConfig: packAny(URLS.SetFilterState, proto.SetFilterState, {
              onNewConnection: [caller],
              onDownstreamTlsHandshake: [caller],
              onDownstreamData: [{ ...caller, objectKey: 'tendril.caller.data' }],
            }),
          },
          {
            name: 'envoy.filters.network.http_connection_manager',
            typedConfig: packAny(URLS.HttpConnectionManager, proto.HttpConnectionManager, {
              statPrefix: 'outbound',
              rds: { routeConfigName: 'outbound', configSource: file(rdsFile) },
              streamIdleTimeout: { seconds: 5 },
              upgradeConfigs: [{ upgradeType: 'websocket' }],
              accessLog: [
                {
                  name: 'envoy.access_loggers.http_grpc',
                  typedConfig: packAny(URLS.HttpGrpcAccessLog, proto.HttpGrpcAccessLog, { commonConfig }),
                },
              ],
              localReplyConfig: {
                mappers: [
                  {
                    filter: {
                      andFilter: {
                        filters: [
                          { responseFlagFilter: { flags: ['UH', 'UO'] } },
                          {
                            extensionFilter: {
                              name: 'envoy.access_loggers.extension_filters.cel',
                              typedConfig: packAny(URLS.CelFilter, proto.CelFilter, {
                                expression: 'response.code == 503',
                              }),
                            },
                          },
                        ],
                      },
                    },
                    statusCode: { value: 204 },
                  },
                ],
              },
              httpFilters: [
                {
                  name: 'envoy.filters.http.on_demand',
                  typedConfig: packAny(URLS.OnDemand, proto.OnDemand, {
                    odcds: { source: { ads: {}, resourceApiVersion: 2 }, timeout: { seconds: 2 } },
                  }),
                },
                { name: 'envoy.filters.http.fault', typedConfig: packAny(URLS.HttpFault, proto.HttpFault, {}) },
                {
                  name: 'envoy.filters.http.local_ratelimit',
                  typedConfig: packAny(URLS.LocalRateLimit, proto.LocalRateLimit, {
                    statPrefix: 'limit',
                    tokenBucket: bucket,
                    filterEnabled: enabled,
                    filterEnforced: enabled,
                    descriptors: [{ entries: [{ key: 'caller', value: 'a' }], tokenBucket: bucket, shadowMode: true }],
                    rateLimits: [{ actions: [{ genericKey: { descriptorKey: 'caller', descriptorValue: 'a' } }] }],
                    maxDynamicDescriptors: { value: 1000 },
                    enableRetryAfterHeader: true,
                  }),
                },
                { name: 'envoy.filters.http.router', typedConfig: packAny(URLS.Router, proto.Router, {}) },
              ],
            }),
          },
        ],
      },
    ],
  });

const tcpListener = encodeCanonical(proto.Listener, {
  name: 'tcp/redis.shop:6379',
  address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
  filterChains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.tcp_proxy',
          typedConfig: packAny(URLS.TcpProxy, proto.TcpProxy, {
            statPrefix: 'tcp',
            cluster: 'redis.shop:6379',
            onDemand: { odcdsConfig: { ads: {}, resourceApiVersion: 2 }, timeout: { seconds: 2 } },
            accessLogOptions: { flushAccessLogOnConnected: true, flushAccessLogOnStart: true },
            accessLog: [
              {
                name: 'envoy.access_loggers.tcp_grpc',
                typedConfig: packAny(URLS.TcpGrpcAccessLog, proto.TcpGrpcAccessLog, { commonConfig }),
              },
            ],
          }),
        },
      ],
    },
  ],
});

suite('Envoy 1.40 accepts, dumps and obeys what we encode', { skip: requirePart('envoy') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-test-proto-'));
  let backend: HttpBackend;
  let envoy: Envoy;
  let dump: string;

  before(async () => {
    const write = (name: string, typeUrl: string, resources: readonly Uint8Array[]): string => {
      const path = join(folder, `${name}.pb`);
      const packed = resources.map((bytes) => proto.anyOf(typeUrl, bytes));
      writeFileSync(path, encodeCanonical(proto.DiscoveryResponse, { versionInfo: '1', typeUrl, resources: packed }));
      return path;
    };
    backend = await startHttpBackend({ id: 'b' });
    const source = (path: string) => ({ path_config_source: { path }, resource_api_version: 'V3' });
    envoy = await startEnvoy({
      bootstrap: {
        node: { id: 'n', cluster: 'web.shop', locality: { zone: 'a' } },
        cluster_manager: { local_cluster_name: 'local' },
        dynamic_resources: {
          ads_config: {
            api_type: 'DELTA_GRPC',
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
          },
          cds_config: source(write('cds', proto.CDS, clusters(backend.port))),
          lds_config: source(write('lds', proto.LDS, [httpListener(write('rds', proto.RDS, [routes])), tcpListener])),
        },
        static_resources: {
          clusters: ['local', 'xds'].map((name) => ({ name, type: 'STATIC', load_assignment: { cluster_name: name } })),
        },
      },
    });
    await envoy.live();
    dump = await envoy.admin('/config_dump');
  });
  after(async () => {
    await envoy?.stop();
    await backend?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('everything is held, nothing was rejected', async () => {
    const held = await envoy.held();
    assert.deepEqual(held.clusters, ['least_request', 'local', 'maglev', 'random', 'ring_hash', 'round_robin', 'xds']);
    assert.deepEqual(held.listeners, ['outbound', 'tcp/redis.shop:6379']);
    assert.deepEqual(held.virtualHosts, ['outbound/cart.shop:80']);
    assert.doesNotMatch(dump, /error_state/);
    await assertHealthy(envoy);
  });

  test('every field of the patch comes back in the config dump', () => {
    const patch = JSON.parse(readFileSync(join(repositoryRoot, 'src/proto/envoy-1.40.patch.json'), 'utf8'));
    const names: string[] = [
      ...patch.fields,
      ...patch.messages.flatMap((message: { fields: object[] }) => message.fields),
    ].map((field) => field.name);
    assert.ok(names.length > 15);
    assert.deepEqual(
      names.filter((name) => !dump.includes(`"${name}"`)),
      [],
    );
  });

  test('routes by cookie and by the caller in the filter state', async () => {
    const port = await envoy.listenerPort('outbound');
    const answers = await Promise.all([
      callHttp({ port, authority: 'cart.shop', headers: { cookie: 'who=jason; mode=wet' } }),
      callHttp({ port, path: '/caller' }),
      callHttp({ port }),
    ]);
    assert.deepEqual(
      answers.map(({ status }) => status),
      [418, 203, 200],
    );
    assert.equal(answers[0]?.body, 'cookie for cart.shop');
    assert.equal(backend.hits() >= 1, true);
  });
});
