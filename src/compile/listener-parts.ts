/** What the sidecar's listeners have in common. */
import {
  envoy,
  HttpConnectionManager,
  type IFilter,
  type IHttpConnectionManager,
  type IListener,
  type ITcpProxy,
  packAny,
  TcpProxy,
  TYPE_URLS,
} from '../proto/index.ts';

type TrafficDirection = envoy.config.core.v3.TrafficDirection;

export const { INBOUND, OUTBOUND } = envoy.config.core.v3.TrafficDirection;

/** Websockets pass on every HTTP listener; routes may switch them off later. */
export const WEBSOCKET: IHttpConnectionManager['upgradeConfigs'] = [{ upgradeType: 'websocket' }];

/** The service's own `server` header stays as it is. */
export const { PASS_THROUGH } =
  envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation;

export const httpManager = (config: IHttpConnectionManager): IFilter => ({
  name: 'envoy.filters.network.http_connection_manager',
  typedConfig: packAny(TYPE_URLS.HttpConnectionManager, HttpConnectionManager, config),
});

export const tcpProxy = (config: ITcpProxy): IFilter => ({
  name: 'envoy.filters.network.tcp_proxy',
  typedConfig: packAny(TYPE_URLS.TcpProxy, TcpProxy, config),
});

/** A listener with one chain of network filters for all connections. */
export const listener = (
  name: string,
  address: string,
  port: number,
  direction: TrafficDirection,
  filters: readonly IFilter[],
): IListener => ({
  name,
  address: { socketAddress: { address, portValue: port } },
  trafficDirection: direction,
  filterChains: [{ filters }],
});
