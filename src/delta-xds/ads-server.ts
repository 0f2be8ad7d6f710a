/** The xDS server of one process: hub, cache, connections and the gRPC service joined together. */

import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { type AdsCounters, adsCounters } from './ads-counters.ts';
import { AdsStream } from './ads-stream.ts';
import { BytesCache } from './bytes-cache.ts';
import { Connections } from './connections.ts';
import type { DeliveryLog } from './delivery-log.ts';
import { createGrpcTransport } from './grpc-transport.ts';
import { H2Transport } from './h2/index.ts';
import { Health } from './health.ts';
import { type Holder, holdersOf } from './holders.ts';
import { Hub } from './hub.ts';
import { DEFAULT_SERVER_LIMITS, type ServerLimits, zeroSessionCounters } from './limits.ts';
import { type Listener, listenOn } from './listener.ts';
import { XDS_METHODS } from './methods.ts';
import { RenewalMemory } from './renewal-memory.ts';
import type { ResourceSource } from './resource-source.ts';
import { ResponseTemplates } from './response-templates.ts';
import { type SessionStatus, sessionStatus } from './session-status.ts';
import { SharedShapes } from './shapes.ts';
import { SideStreams } from './side-streams.ts';
import { STATUS } from './status.ts';
import { type ConnectedStream, type StreamContext, type StreamWatcher, zeroStreamCounters } from './stream-context.ts';
import type { HeldResource, StreamSession } from './stream-session.ts';
import {
  type Routes,
  type StreamHandler,
  type TlsOptions,
  type Transport,
  type TransportOptions,
  zeroTransportCounters,
} from './transport.ts';

/** The two transports; what they do is the same. */
export type TransportName = 'grpc-js' | 'http2';

export interface AdsServerOptions {
  readonly source: ResourceSource;
  /** Defaults: `DEFAULT_SERVER_LIMITS`. */
  readonly limits?: Partial<ServerLimits>;
  /** ms, monotonic. */
  readonly clock: () => number;
  /** Wall clock, ms since the epoch: times in the ledger. */
  readonly now: () => number;
  /** [0, 1) */
  readonly random: () => number;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
  /** `control_plane.identifier` of every response: this replica and worker. */
  readonly identifier: string;
  /** What carries the streams. Default: 'grpc-js'. */
  readonly transport?: TransportName;
  /** Default: plaintext. */
  readonly tls?: TlsOptions;
  /** A sidecar's question proved an edge; at most once per stream and service port. */
  readonly onObserve?: (edge: {
    readonly from: string;
    readonly to: string;
    readonly node: string;
    readonly held?: true;
  }) => void;
  /** Offset of the state that the source answers from; named in the ledger and as `system_version_info`. Default: always 0 (not named). */
  readonly offset?: () => number;
  /** What was sent, acknowledged, rejected, removed. */
  readonly deliveries?: DeliveryLog;
  /** Other gRPC methods of the same port. */
  readonly sideRoutes?: Routes;
  /** Told of nodes as they come and go. */
  readonly watcher?: StreamWatcher;
  /** Called around every response that a stream gives to its connection: for fault tests. */
  readonly onPush?: (moment: 'before' | 'after') => void;
  /**
   * Age of a node's longest running stream, ms, as its access logs tell; undefined, or no such function: nothing is known of its streams
   * (`renewalUnseen`). Asked when there is enough to renew, once a minute at most for each of its streams.
   */
  readonly longStream?: (nodeId: string) => number | undefined;
}

export interface AdsServer {
  /** Listens; `fds`: on these descriptors of a socket that is bound to the address already. Rejects with `XDS_LISTEN`. */
  listen(
    host: string,
    port: number,
    fds?: readonly number[],
  ): Promise<{ readonly host: string; readonly port: number }>;
  /** Serves a connection accepted elsewhere. */
  accept(socket: Socket): void;
  /** Takes the newest state to all sessions; resolves with its epoch when every session concerned has been told. */
  wake(): Promise<number>;
  sessions(): SessionStatus[];
  /** Streams of nodes, as cheap as it goes: to be looked through in one turn. */
  connected(): Iterable<ConnectedStream>;
  /** Connections closed at a bound, since the start. */
  readonly connectionsRefused: number;
  /** What the streams of a node hold; undefined: it has none here. */
  resourcesOf(node: string): { readonly peer: string; readonly resources: readonly HeldResource[] }[] | undefined;
  /** All open sessions: `session.facts` is the node, `session.resources()` what it holds. */
  openSessions(): Iterable<StreamSession>;
  /** Nodes with a stream; and streams that said who they are, since the start. */
  readonly joins: { readonly nodes: number; readonly joined: number };
  /** Sessions that hold resources of one of these services (`<service>.<namespace>`); in slices. */
  holdersOf(services: readonly string[]): Promise<readonly Holder[]>;
  counters(): AdsCounters;
  /** No new connections; GOAWAY to the old ones, staggered over at most `overMs` (default 5,000) with jitter; their streams end UNAVAILABLE. */
  drain(overMs?: number): Promise<void>;
  /** Ends everything at once. */
  close(): Promise<void>;
}

const DRAINING = 'the control plane is draining; reconnect';
/** A name of VHDS holds whatever an application put into a request's authority: Envoy takes headers of 60 KiB. */
const MAX_WIRE_NAME = 128 * 1024;
const TAG_DIGITS = 36 ** 8;

export const createAdsServer = (options: AdsServerOptions): AdsServer => {
  const { source, clock, now, random, logger, identifier, onObserve } = options;
  const limits: ServerLimits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const shapes = new SharedShapes();
  const cache = new BytesCache(limits.cacheBytes);
  const sessionCounters = zeroSessionCounters();
  const streamCounters = zeroStreamCounters();
  const streams = new Set<AdsStream>();
  const later = (run: () => void): void => {
    setImmediate(run);
  };
  const hub = new Hub({
    source,
    shapes,
    session: {
      limits,
      counters: sessionCounters,
      renewal: { memory: new RenewalMemory(), longStream: options.longStream ?? (() => undefined) },
    },
    clock,
    later,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
    tag: () => Math.floor(random() * TAG_DIGITS).toString(36),
  });
  const context: StreamContext = {
    hub,
    source,
    cache,
    templates: new ResponseTemplates(),
    limits,
    wireLimits: {
      maxNames: limits.namesPerRequest + limits.namesPerStream,
      maxNameBytes: Math.max(MAX_WIRE_NAME, limits.nameBytes),
      maxMetadataValues: 4_096,
    },
    identifier,
    now,
    offset: options.offset ?? (() => 0),
    later,
    counters: streamCounters,
    onObserve,
    clock,
    watcher: options.watcher,
    onPush: options.onPush,
    deliveries: options.deliveries,
    warn: (facts, message) => logger.warn(facts, message),
    onEnd: (stream) => streams.delete(stream),
  };
  const side = new SideStreams(options.sideRoutes ?? new Map());
  const health = new Health([...XDS_METHODS.map(({ path }) => path), ...side.routes.keys()]);
  const routes = new Map<string, StreamHandler>([...health.routes, ...side.routes]);
  for (const method of XDS_METHODS)
    routes.set(method.path, (stream) => {
      const ads = new AdsStream(context, stream, method);
      streams.add(ads);
      return ads;
    });
  const connections = new Connections(limits, clock, random, () => hub.requests.crowded);
  const transportCounters = zeroTransportCounters();
  const carrier: TransportOptions = {
    limits,
    routes,
    hooks: {
      opened: (peer) => connections.opened(peer),
      closed: (peer) => connections.closed(peer),
      reset: (peer) => connections.reset(peer),
    },
    counters: transportCounters,
    clock,
    tls: options.tls,
  };
  const transport: Transport = options.transport === 'http2' ? new H2Transport(carrier) : createGrpcTransport(carrier);
  let listener: Listener | undefined;

  function* openSessions(): Iterable<StreamSession> {
    for (const { member } of streams) if (member !== undefined) yield member.session;
  }

  return {
    listen: async (host, port, fds) => {
      listener = await listenOn(
        host,
        port,
        (socket) => connections.accept(socket, transport),
        (error) => logger.warn({ err: error }, 'a connection could not be accepted'),
        fds,
      );
      return { host: listener.host, port: listener.port };
    },
    accept: (socket) => connections.accept(socket, transport),
    wake: () => hub.wake(),
    sessions: () => [...streams].flatMap((stream) => sessionStatus(stream) ?? []),
    connected: () => streams,
    get connectionsRefused() {
      return connections.counters.refused;
    },
    openSessions,
    get joins() {
      return { nodes: hub.nodes, joined: hub.counters.joined };
    },
    holdersOf: (services) => {
      const members = [...streams].flatMap(({ member }) => member ?? []);
      const behind = members.filter(({ pending }) => pending !== undefined).map(({ session }) => session);
      return holdersOf(openSessions(), new Set(services), new Set(behind));
    },
    resourcesOf: (node) => {
      const found = [...streams].filter((stream) => stream.member?.session.facts.id === node);
      if (found.length === 0) return undefined;
      return found.map((stream) => ({ peer: stream.peer, resources: stream.member?.session.resources() ?? [] }));
    },
    counters: () =>
      adsCounters({
        streams: streamCounters,
        sessions: sessionCounters,
        transport: transportCounters,
        hub,
        health,
        side,
        connections,
        cache,
        shapes,
      }),
    drain: async (overMs = 5_000) => {
      listener?.close();
      listener = undefined;
      health.drain();
      await connections.drain(transport, overMs, (peers) => {
        for (const stream of [...streams]) if (peers.has(stream.peer)) stream.end(STATUS.UNAVAILABLE, DRAINING);
        health.end(peers, STATUS.UNAVAILABLE, DRAINING);
        side.end(STATUS.UNAVAILABLE, DRAINING, peers);
      });
      for (const stream of [...streams]) stream.end(STATUS.UNAVAILABLE, DRAINING);
      side.end(STATUS.UNAVAILABLE, DRAINING);
      await connections.gone(1_500);
    },
    close: async () => {
      listener?.close();
      listener = undefined;
      hub.close();
      transport.destroy();
      connections.destroy();
      await connections.gone(1_000);
    },
  };
};
