/**
 * The listener through which an application calls others: HTTP/1.1, HTTP/2, gRPC and WebSocket on one port, virtual hosts on demand
 * (contracts, "listeners"; envoy-wire section 2; policies.md sections 13 and 14).
 *
 * A listener that changes is drained, so filters of later policies are in the chain from the start, empty.
 */
import { OUTBOUND_NAME } from '../model/index.ts';
import {
  type envoy,
  HttpFault,
  type IFilter,
  type IHttpConnectionManager,
  type IHttpFilter,
  type IListener,
  LocalRateLimit,
  OnDemand,
  packAny,
  Router,
  SetFilterState,
  TYPE_URLS,
} from '../proto/index.ts';
import { HTTP_EDGE_LOG } from './access-log.ts';
import { httpManager, listener, OUTBOUND, PASS_THROUGH, WEBSOCKET } from './listener-parts.ts';
import { localReplyConfig } from './local-reply.ts';
import { ADS, ADS_ON_DEMAND, duration, ON_DEMAND_TIMEOUT } from './values.ts';

/**
 * The only limit of a request that waits for its virtual host (routes bring their own `idle_timeout`): long enough for a control
 * plane that restarts, short enough for a client that waits in vain (envoy-wire2 section 3).
 */
const PARKED_LIMIT = duration(10_000);

const ON_DEMAND: IHttpFilter = {
  name: 'envoy.filters.http.on_demand',
  typedConfig: packAny(TYPE_URLS.OnDemand, OnDemand, {
    odcds: { source: ADS_ON_DEMAND, timeout: ON_DEMAND_TIMEOUT },
  }),
};

/**
 * `on_demand` comes first: a policy that arrives with the virtual host holds for the very first request (envoy-wire, section 2).
 * `fault` and `local_ratelimit` do nothing without settings of the route.
 */
const httpFilters = (onDemand: boolean): readonly IHttpFilter[] => [
  ...(onDemand ? [ON_DEMAND] : []),
  { name: 'envoy.filters.http.fault', typedConfig: packAny(TYPE_URLS.HttpFault, HttpFault, {}) },
  {
    name: 'envoy.filters.http.local_ratelimit',
    typedConfig: packAny(TYPE_URLS.LocalRateLimit, LocalRateLimit, { statPrefix: 'tendril' }),
  },
  { name: 'envoy.filters.http.router', typedConfig: packAny(TYPE_URLS.Router, Router, {}) },
];

/** Ports are kept in host names (`strip_any_host_port` false): two ports of one service are two virtual hosts. */
const manager = (onDemand: boolean, routes: string): IHttpConnectionManager => ({
  statPrefix: OUTBOUND_NAME,
  rds: { routeConfigName: routes, configSource: ADS },
  httpFilters: httpFilters(onDemand),
  streamIdleTimeout: PARKED_LIMIT,
  upgradeConfigs: WEBSOCKET,
  serverHeaderTransformation: PASS_THROUGH,
  localReplyConfig: localReplyConfig(),
  ...HTTP_EDGE_LOG,
});

/** Managers kept: two, and one for each generation that nodes are in. Those made first go. */
const MAX_MANAGERS = 64;
const encodedManagers = new Map<string, IFilter>();

/** The same for every node of a generation, and 12 KB: encoded once. */
const outboundManager = (onDemand: boolean, routes: string): IFilter => {
  const key = `${onDemand} ${routes}`;
  const known = encodedManagers.get(key);
  if (known !== undefined) return known;
  const made = httpManager(manager(onDemand, routes));
  if (encodedManagers.size >= MAX_MANAGERS) {
    const [oldest] = encodedManagers.keys();
    if (oldest !== undefined) encodedManagers.delete(oldest);
  }
  encodedManagers.set(key, made);
  return made;
};

export interface CallerIdentity {
  /** `<service>.<namespace>` */
  readonly caller: string;
  readonly namespace: string;
  readonly serviceAccount: string | undefined;
}

type FilterStateValue = envoy.extensions.filters.common.set_filter_state.v3.IFilterStateValue;

/** `%` begins a command in Envoy's format texts. */
const literal = (text: string): string => text.replaceAll('%', '%%');

const stateValue = (objectKey: string, text: string): FilterStateValue => ({
  objectKey,
  factoryKey: 'envoy.string',
  formatString: { textFormatSource: { inlineString: literal(text) } },
});

/** Says who calls, for rules with `match.from`: so one virtual host serves all callers (policies.md section 13). */
const callerFilter = ({ caller, namespace, serviceAccount }: CallerIdentity): IFilter => ({
  name: 'envoy.filters.network.set_filter_state',
  typedConfig: packAny(TYPE_URLS.SetFilterState, SetFilterState, {
    onNewConnection: [
      stateValue('tendril.caller', caller),
      stateValue('tendril.caller.namespace', namespace),
      ...(serviceAccount === undefined ? [] : [stateValue('tendril.caller.account', `${namespace}/${serviceAccount}`)]),
    ],
  }),
});

/**
 * `onDemand`: the node can ask for clusters by name while requests wait. `routes`: its route configuration, in which alone generations
 * differ: Envoy then swaps the filter chain and lets the old one drain (envoy-wire2 section 6).
 */
export const outboundListener = (
  identity: CallerIdentity,
  address: string,
  port: number,
  onDemand: boolean,
  routes: string = OUTBOUND_NAME,
): IListener =>
  listener(OUTBOUND_NAME, address, port, OUTBOUND, [callerFilter(identity), outboundManager(onDemand, routes)]);
