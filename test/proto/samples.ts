/** One message of each resource type, as compile builds them; with its golden bytes (hex). */
import {
  CDS,
  Cluster,
  ClusterLoadAssignment,
  ECDS,
  EDS,
  encodeCanonical,
  HttpConnectionManager,
  HttpFault,
  HttpProtocolOptions,
  LDS,
  LeastRequest,
  Listener,
  OnDemand,
  PreviousHosts,
  packAny,
  RDS,
  RouteConfiguration,
  Router,
  SDS,
  Secret,
  SetFilterState,
  TYPE_URLS,
  TypedExtensionConfig,
  VHDS,
  VirtualHost,
} from '../../src/proto/index.ts';

const ads = { ads: {}, resourceApiVersion: 2, initialFetchTimeout: { seconds: 2 } } as const;

export interface Sample {
  readonly typeUrl: string;
  readonly bytes: Uint8Array;
}

const cluster = encodeCanonical(Cluster, {
  name: 'cart.shop:80',
  type: Cluster.DiscoveryType.EDS,
  edsClusterConfig: { serviceName: 'cart.shop:80', edsConfig: ads },
  connectTimeout: { seconds: 1 },
  circuitBreakers: {
    thresholds: [
      {
        maxConnections: { value: 4294967295 },
        retryBudget: { budgetPercent: { value: 20 }, minRetryConcurrency: { value: 3 } },
      },
    ],
  },
  outlierDetection: {
    consecutive5xx: { value: 5 },
    baseEjectionTime: { seconds: 900 },
    maxEjectionPercent: { value: 70 },
  },
  commonLbConfig: { healthyPanicThreshold: { value: 1 } },
  loadBalancingPolicy: {
    policies: [
      {
        typedExtensionConfig: {
          name: 'envoy.load_balancing_policies.least_request',
          typedConfig: packAny(TYPE_URLS.LeastRequest, LeastRequest, {
            choiceCount: { value: 2 },
            localityLbConfig: {
              zoneAwareLbConfig: { minClusterSize: { value: 2 }, forceLocalZone: { minSize: { value: 1 } } },
            },
          }),
        },
      },
    ],
  },
  typedExtensionProtocolOptions: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': packAny(
      TYPE_URLS.HttpProtocolOptions,
      HttpProtocolOptions,
      {
        explicitHttpConfig: { http2ProtocolOptions: {} },
      },
    ),
  },
});

const endpoints = encodeCanonical(ClusterLoadAssignment, {
  clusterName: 'cart.shop:80',
  endpoints: [
    {
      locality: { region: 'eu', zone: 'a' },
      lbEndpoints: [
        {
          endpoint: { address: { socketAddress: { address: '10.0.0.1', portValue: 8080 } } },
          healthStatus: 1,
          metadata: {
            filterMetadata: { 'envoy.lb': { fields: { version: { stringValue: 'v1' }, canary: { boolValue: true } } } },
          },
          loadBalancingWeight: { value: 100 },
        },
      ],
      loadBalancingWeight: { value: 100 },
    },
  ],
});

const virtualHost = encodeCanonical(VirtualHost, {
  name: 'outbound/cart.shop:80',
  domains: ['cart.shop', 'cart.shop:80'],
  routes: [
    {
      name: 'cart.shop:80/beta',
      match: {
        pathSeparatedPrefix: '/v2',
        headers: [{ name: 'x-beta', stringMatch: { exact: '1' } }],
        queryParameters: [{ name: 'q', presentMatch: true }],
        cookies: [{ name: 'who', stringMatch: { prefix: 'j' } }],
        filterState: [{ key: 'tendril.caller', stringMatch: { exact: 'web.shop' } }],
      },
      route: {
        weightedClusters: {
          clusters: [
            { name: 'cart.shop:80/v1', weight: { value: 90 } },
            { name: 'cart.shop:80/v2', weight: { value: 10 } },
          ],
          useHashPolicy: { value: true },
        },
        hashPolicy: [{ header: { headerName: 'x-user' } }],
        timeout: { seconds: 2 },
        idleTimeout: { seconds: 300 },
        retryPolicy: {
          retryOn: 'connect-failure,refused-stream',
          numRetries: { value: 1 },
          retryHostPredicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typedConfig: packAny(TYPE_URLS.PreviousHosts, PreviousHosts, {}),
            },
          ],
          hostSelectionRetryMaxAttempts: 3,
        },
      },
      typedPerFilterConfig: {
        'envoy.filters.http.fault': packAny(TYPE_URLS.HttpFault, HttpFault, {
          abort: { httpStatus: 418, percentage: { numerator: 10, denominator: 2 } },
        }),
      },
    },
    { name: 'cart.shop:80', match: { prefix: '/' }, route: { cluster: 'cart.shop:80', timeout: {} } },
  ],
});

const routes = encodeCanonical(RouteConfiguration, { name: 'outbound', vhds: { configSource: ads } });

const listener = encodeCanonical(Listener, {
  name: 'outbound',
  address: { socketAddress: { address: '127.0.0.1', portValue: 15001 } },
  filterChains: [
    {
      filters: [
        {
          name: 'envoy.filters.network.set_filter_state',
          typedConfig: packAny(TYPE_URLS.SetFilterState, SetFilterState, {
            onNewConnection: [
              {
                objectKey: 'tendril.caller',
                factoryKey: 'envoy.string',
                formatString: { textFormatSource: { inlineString: 'web.shop' } },
              },
            ],
          }),
        },
        {
          name: 'envoy.filters.network.http_connection_manager',
          typedConfig: packAny(TYPE_URLS.HttpConnectionManager, HttpConnectionManager, {
            statPrefix: 'outbound',
            rds: { routeConfigName: 'outbound', configSource: ads },
            streamIdleTimeout: { seconds: 5 },
            httpFilters: [
              {
                name: 'envoy.filters.http.on_demand',
                typedConfig: packAny(TYPE_URLS.OnDemand, OnDemand, { odcds: { source: ads, timeout: { seconds: 2 } } }),
              },
              { name: 'envoy.filters.http.router', typedConfig: packAny(TYPE_URLS.Router, Router, {}) },
            ],
          }),
        },
      ],
    },
  ],
});

const secret = encodeCanonical(Secret, { name: 'ROOTCA', validationContext: { trustedCa: { inlineString: 'PEM' } } });

const extension = encodeCanonical(TypedExtensionConfig, {
  name: 'mesh.fault',
  typedConfig: packAny(TYPE_URLS.HttpFault, HttpFault, {}),
});

export const samples = {
  cluster: { typeUrl: CDS, bytes: cluster },
  endpoints: { typeUrl: EDS, bytes: endpoints },
  virtualHost: { typeUrl: VHDS, bytes: virtualHost },
  routes: { typeUrl: RDS, bytes: routes },
  listener: { typeUrl: LDS, bytes: listener },
  secret: { typeUrl: SDS, bytes: secret },
  extension: { typeUrl: ECDS, bytes: extension },
} as const satisfies Readonly<Record<string, Sample>>;
