/** Bounds of the xDS server. What happens at each bound is said here; all are counted. */
import { countedAs, type ResourceType } from './resource-type.ts';

export interface SessionLimits {
  /** Names (without versions held) one stream may have asked for at a time, all types. Beyond: stream ends, RESOURCE_EXHAUSTED. */
  readonly namesPerStream: number;
  /**
   * Names subscribed or unsubscribed in one request; or twice the services that the node may hold, if that is more. Beyond: stream
   * ends, RESOURCE_EXHAUSTED.
   */
  readonly namesPerRequest: number;
  /** Resource types of one stream. Beyond: stream ends, RESOURCE_EXHAUSTED. */
  readonly typesPerStream: number;
  /** Bytes of one name. Beyond: stream ends, INVALID_ARGUMENT. */
  readonly nameBytes: number;
  /** Unknown hosts remembered per node. Beyond: answered, not remembered, so not pushed when they appear. */
  readonly unknownNames: number;
  /** Names asked for that nobody answers, per node and second, over `unknownNames` at once. Beyond: its streams are read no further until there is room. */
  readonly unknownPerSecond: number;
  /** Route configurations of one stream. Beyond: hosts under further ones are answered as unknown. */
  readonly generations: number;
  /** VHDS answers in flight; further questions wait and go together in the next one. */
  readonly answersInFlight: number;
  /** A response is split before it reaches this size, bytes. One resource is never split. */
  readonly responseBytes: number;
  /** Sent in one go before the session asks for the transport's word, bytes. */
  readonly burstBytes: number;
  /** Stale hosts (asked for and held, their edges expired) that it takes to renew a node's route configuration. */
  readonly renewalStale: number;
  /** The same, as a share of the virtual hosts held under it, percent. */
  readonly renewalPercent: number;
  /** Time between two renewals of a node, ms. */
  readonly renewalEveryMs: number;
  /** 1: nodes of whose streams nothing is known are renewed as though none outlived the drain time. 0: they are not. */
  readonly renewalUnseen: number;
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  namesPerStream: 100_000,
  namesPerRequest: 10_000,
  typesPerStream: 64,
  nameBytes: 512,
  unknownNames: 10_000,
  unknownPerSecond: 1_000,
  generations: 16,
  answersInFlight: 32,
  responseBytes: 3 * 1024 * 1024,
  burstBytes: 4 * 1024 * 1024,
  renewalStale: 100,
  renewalPercent: 25,
  renewalEveryMs: 86_400_000,
  renewalUnseen: 0,
};

/** Bounds of the transport. */
export interface TransportLimits {
  /** Bytes of one message received. Beyond: stream ends, RESOURCE_EXHAUSTED. */
  readonly receiveBytes: number;
  /** Streams per connection (HTTP/2 MAX_CONCURRENT_STREAMS). */
  readonly streamsPerConnection: number;
  /** Bytes of the headers that open a stream. Beyond: stream ends, RESOURCE_EXHAUSTED. */
  readonly headerBytes: number;
  /** Connections in all, and of one address. Beyond: closed at once. */
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** A connection must have begun HTTP/2, or a TLS handshake, within this time, ms. Beyond: closed. */
  readonly handshakeMs: number;
  /** A connection must open its first stream within this time, ms. Beyond: closed. */
  readonly firstStreamMs: number;
  /** A connection whose streams have all ended may wait this long for another one, ms. Beyond: closed. */
  readonly idleMs: number;
  /** Streams that one connection may open in one second (http2). Beyond: closed, ENHANCE_YOUR_CALM. */
  readonly streamsPerSecond: number;
  /** A stream must send its first message within this time, ms. Beyond: stream ends, DEADLINE_EXCEEDED. */
  readonly firstMessageMs: number;
  /** Ping of a silent connection, and how long its answer may take, ms. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /**
   * Written and not yet taken by the transport, bytes: above the first the session is held, above the second its connection is reset.
   * For the second, a response above `responseBytes` (one resource that cannot be split) counts as that many.
   */
  readonly heldBytes: number;
  readonly resetBytes: number;
}

/** All bounds of the xDS server. */
export interface ServerLimits extends SessionLimits, TransportLimits {
  /** Encoded resources kept for all streams, bytes. Beyond: those longest unused go. */
  readonly cacheBytes: number;
}

export const DEFAULT_SERVER_LIMITS: ServerLimits = {
  ...DEFAULT_SESSION_LIMITS,
  receiveBytes: 16 * 1024 * 1024,
  streamsPerConnection: 100,
  headerBytes: 16 * 1024,
  connections: 50_000,
  connectionsPerAddress: 50_000,
  handshakeMs: 5_000,
  firstStreamMs: 10_000,
  idleMs: 300_000,
  streamsPerSecond: 200,
  firstMessageMs: 30_000,
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  heldBytes: 256 * 1024,
  resetBytes: 8 * 1024 * 1024,
  cacheBytes: 64 * 1024 * 1024,
};

/** Counters of all sessions of a process. */
export interface SessionCounters {
  /** Unknown names not remembered at their bound. */
  unknownNotKept: number;
  /** Times that a stream was read no further because its node had asked for too many of them. */
  unknownThrottled: number;
  /** Questions that waited because too many answers were in flight. */
  questionsDelayed: number;
  /** Virtual hosts held back because another one still claims a domain of theirs. */
  domainConflicts: number;
  /** Responses rejected by clients, and resources parked after that. */
  nacks: number;
  parked: number;
  /** Responses rejected, by short name of the type; unknown types together as `other`. */
  readonly nacksByType: Record<string, number>;
  /** State of the world: requests whose nonce was not the last one, ignored but for their verdict. */
  staleRequests: number;
  /** Streams ended at a bound of the session, in all; and by names of a request, of a stream, types, length of a name. */
  overLimit: number;
  tooManyNames: number;
  tooManyAsked: number;
  tooManyTypes: number;
  namesTooLong: number;
  /** Questions under a route configuration beyond the bound. */
  generationsFull: number;
  /** Nodes taken over to the next generation of their route configuration, and those that refused it. */
  renewals: number;
  renewalsRefused: number;
  /**
   * Looks at a node that had enough stale hosts and was not renewed: the last renewal is too recent; an earlier generation is not
   * drained; its listener is not acknowledged or not ours; a stream outlives the drain time; nothing is
   * known of its streams.
   */
  renewalsHeldRecent: number;
  renewalsHeldDraining: number;
  renewalsHeldUnready: number;
  renewalsHeldStreams: number;
  renewalsHeldUnseen: number;
}

export const zeroSessionCounters = (): SessionCounters => ({
  unknownNotKept: 0,
  unknownThrottled: 0,
  questionsDelayed: 0,
  domainConflicts: 0,
  nacks: 0,
  parked: 0,
  nacksByType: {},
  staleRequests: 0,
  overLimit: 0,
  tooManyNames: 0,
  tooManyAsked: 0,
  tooManyTypes: 0,
  namesTooLong: 0,
  generationsFull: 0,
  renewals: 0,
  renewalsRefused: 0,
  renewalsHeldRecent: 0,
  renewalsHeldDraining: 0,
  renewalsHeldUnready: 0,
  renewalsHeldStreams: 0,
  renewalsHeldUnseen: 0,
});

export const countNack = (counters: SessionCounters, type: ResourceType): void => {
  const name = countedAs(type);
  counters.nacks++;
  counters.nacksByType[name] = (counters.nacksByType[name] ?? 0) + 1;
};
