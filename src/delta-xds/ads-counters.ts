/** Counters and gauges of the xDS server of one process, as `/metrics` shows them. */
import type { BytesCache } from './bytes-cache.ts';
import type { Connections } from './connections.ts';
import type { Health } from './health.ts';
import type { Hub } from './hub.ts';
import type { SessionCounters } from './limits.ts';
import { countedAs } from './resource-type.ts';
import type { SharedShapes } from './shapes.ts';
import type { SideStreams } from './side-streams.ts';
import type { StreamCounters } from './stream-context.ts';
import type { TransportCounters } from './transport.ts';

export interface AdsCounters extends StreamCounters, SessionCounters, TransportCounters {
  readonly sessions: number;
  /** Resources that clients refuse as of now, by short name of the type. */
  readonly parkedByType: Readonly<Record<string, number>>;
  /** Virtual hosts that clients hold though their edges have expired, as last counted. */
  readonly staleHosts: number;
  readonly healthWatches: number;
  readonly sideStreams: number;
  readonly connections: number;
  /** Accepted, and not read from yet: many came at once. */
  readonly connectionsWaiting: number;
  readonly connectionsRefused: number;
  readonly connectionsLate: number;
  readonly connectionsIdle: number;
  readonly wakes: number;
  readonly changeKeys: number;
  readonly changeNotices: number;
  readonly broadcasts: number;
  readonly noticesCollapsed: number;
  readonly acksDeferred: number;
  readonly inLine: number;
  /** Requests that waited for a later turn of the event loop. */
  readonly requestsDeferred: number;
  /** Times that a stream was read no further because too much of it waited. */
  readonly streamsUnread: number;
  readonly cacheBytes: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  readonly cacheEvicted: number;
  readonly shapeResets: number;
}

/** Where they are counted. */
export interface Counted {
  readonly streams: StreamCounters;
  readonly sessions: SessionCounters;
  readonly transport: TransportCounters;
  readonly hub: Hub;
  readonly health: Health;
  readonly side: SideStreams;
  readonly connections: Connections;
  readonly cache: BytesCache;
  readonly shapes: SharedShapes;
}

const parkedByType = (hub: Hub): Record<string, number> => {
  const parked: Record<string, number> = {};
  for (const { session } of hub.members)
    for (const [type, count] of session.parkedNow()) parked[countedAs(type)] = (parked[countedAs(type)] ?? 0) + count;
  return parked;
};

const staleHosts = (hub: Hub): number => {
  let stale = 0;
  for (const { session } of hub.members) stale += session.stale;
  return stale;
};

export const adsCounters = (counted: Counted): AdsCounters => {
  const { hub, health, side, connections, cache, shapes } = counted;
  return {
    ...counted.streams,
    ...counted.sessions,
    ...counted.transport,
    sessions: hub.size,
    parkedByType: parkedByType(hub),
    staleHosts: staleHosts(hub),
    healthWatches: health.watches,
    sideStreams: side.size,
    connections: connections.size,
    connectionsWaiting: connections.waiting,
    connectionsRefused: connections.counters.refused,
    connectionsLate: connections.counters.handshakesLate,
    connectionsIdle: connections.counters.idle,
    wakes: hub.counters.wakes,
    changeKeys: hub.counters.keys,
    changeNotices: hub.counters.notices,
    broadcasts: hub.counters.broadcasts,
    noticesCollapsed: hub.counters.collapsed,
    acksDeferred: hub.acksDeferred,
    inLine: hub.waiting,
    requestsDeferred: hub.requests.deferred,
    streamsUnread: hub.requests.unread,
    cacheBytes: cache.bytes,
    cacheHits: cache.hits,
    cacheMisses: cache.misses,
    cacheEvicted: cache.evicted,
    shapeResets: shapes.resets,
  };
};
