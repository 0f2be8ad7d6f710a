/** What all streams of a server share. */
import type { WireLimits } from '../proto/index.ts';
import type { AdsStream } from './ads-stream.ts';
import type { BytesCache } from './bytes-cache.ts';
import type { DeliveryLog } from './delivery-log.ts';
import type { Hub } from './hub.ts';
import type { ServerLimits } from './limits.ts';
import type { NodeFacts, ResourceSource } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';
import type { ResponseTemplates } from './response-templates.ts';

/** Told of xDS streams: a node has said who it is on a connection, and its stream has ended. */
export interface StreamWatcher {
  joined(peer: string, facts: NodeFacts): void;
  left(peer: string, facts: NodeFacts): void;
}

/** One xDS stream, for whoever looks through all of them. */
export interface ConnectedStream {
  readonly peer: string;
  /** Undefined: it has not said yet who it is. */
  readonly facts: NodeFacts | undefined;
  /** When it first named resources that it held before, on the server's clock, ms; undefined: it has not. */
  readonly broughtAt: number | undefined;
  /** Version of a resource that it is known to have taken. */
  takenVersion(type: ResourceType, name: string): string | undefined;
}

/** Where a stream puts what it has to say. */
export interface StreamContext {
  readonly hub: Hub;
  readonly source: ResourceSource;
  readonly cache: BytesCache;
  readonly templates: ResponseTemplates;
  readonly limits: ServerLimits;
  readonly wireLimits: WireLimits;
  readonly identifier: string;
  /** ms, monotonic. */
  readonly clock: () => number;
  readonly watcher: StreamWatcher | undefined;
  readonly onPush: ((moment: 'before' | 'after') => void) | undefined;
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  /** Offset of the state that answers are made from. */
  readonly offset: () => number;
  readonly later: (run: () => void) => void;
  readonly counters: StreamCounters;
  readonly onObserve:
    | ((edge: { readonly from: string; readonly to: string; readonly node: string; readonly held?: true }) => void)
    | undefined;
  readonly deliveries: DeliveryLog | undefined;
  readonly warn: (facts: Readonly<Record<string, unknown>>, message: string) => void;
  readonly onEnd: (stream: AdsStream) => void;
}

export interface StreamCounters {
  streams: number;
  requests: number;
  requestBytes: number;
  malformed: number;
  responses: number;
  resources: number;
  responseBytes: number;
  /** Of resources of services alone. */
  serviceBytes: number;
  removals: number;
  held: number;
  resets: number;
  failures: number;
  /** Written and not yet taken by the transport, all streams, as of now. */
  inFlightBytes: number;
}

export const zeroStreamCounters = (): StreamCounters => ({
  streams: 0,
  requests: 0,
  requestBytes: 0,
  malformed: 0,
  responses: 0,
  resources: 0,
  responseBytes: 0,
  serviceBytes: 0,
  removals: 0,
  held: 0,
  resets: 0,
  failures: 0,
  inFlightBytes: 0,
});
