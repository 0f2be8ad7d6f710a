/** Small values that many Envoy messages share, in the form that encoding takes. */
import {
  contentVersion,
  encodeCanonical,
  type IConfigSource,
  type IDuration,
  type ProtoEncoder,
} from '../proto/index.ts';
import type { OwnResource } from './types.ts';

/** `google.protobuf.Duration` of whole milliseconds, not negative. */
export const duration = (ms: number): IDuration => ({
  seconds: Math.floor(ms / 1000),
  nanos: (ms % 1000) * 1_000_000,
});

/** A wrapper message: it is sent even when the value is the default, so 0 and false can be told from unset. */
export const wrapped = <T extends number | boolean>(value: T): { readonly value: T } => ({ value });

/** `resource_api_version: V3`; clients refuse configuration sources without it. */
export const API_V3 = 2;

/** ADS for the on_demand filters: their subscriptions do not honour `initial_fetch_timeout` (envoy-wire2 section 4). */
export const ADS_ON_DEMAND: IConfigSource = { ads: {}, resourceApiVersion: API_V3 };

/**
 * ADS. 2 s without an answer, then Envoy goes on without: its default would stall 15 s, 0 s would wait for ever
 * (envoy-wire2 section 4).
 */
export const ADS: IConfigSource = { ...ADS_ON_DEMAND, initialFetchTimeout: duration(2_000) };

/** How long a first request or connection may wait for its cluster; above the control plane's P99 (envoy-wire, section B). */
export const ON_DEMAND_TIMEOUT = duration(2_000);

export const CONNECT_TIMEOUT = duration(1_000);

/** Encodes a resource; its version is the hash of the bytes. */
export const resource = <T>(type: ProtoEncoder<T>, message: NoInfer<T>): OwnResource => {
  const body = encodeCanonical(type, message);
  return { version: contentVersion([body]), body };
};
