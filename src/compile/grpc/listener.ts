/**
 * The listener of a gRPC client (proxyless): an `api_listener` that names the route configuration. The HTTP connection manager
 * holds the router filter alone: grpc-go refuses an empty list, and both want the router last.
 */
import { HttpConnectionManager, Listener, packAny, Router, TYPE_URLS } from '../../proto/index.ts';
import type { OwnResource } from '../types.ts';
import { ADS_ON_DEMAND, resource } from '../values.ts';

/** `name`: of the listener and of its route configuration, `<service>.<namespace>:<port>`. */
export const grpcListener = (name: string): OwnResource =>
  resource(Listener, {
    name,
    apiListener: {
      apiListener: packAny(TYPE_URLS.HttpConnectionManager, HttpConnectionManager, {
        rds: { configSource: ADS_ON_DEMAND, routeConfigName: name },
        httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: packAny(TYPE_URLS.Router, Router, {}) }],
      }),
    },
  });
