/**
 * The transport with HTTP/2 of our own: from the message to the socket in one pass, few bytes per connection (decision 014).
 *
 * Not done: compression (only identity is offered), deadlines of `grpc-timeout` (xDS streams have none; the client ends its call
 * itself), priorities, push, HTTP/1 upgrade.
 */
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { Deadlines } from '../deadlines.ts';
import { STATUS } from '../status.ts';
import { GROUPS, type TlsOptions, type Transport, type TransportOptions } from '../transport.ts';
import { Connection, type ConnectionContext, ourSettings } from './connection.ts';
import { CODE } from './frames.ts';
import type { Outbox } from './outbox.ts';
import { SocketWire } from './socket-wire.ts';

/** A client has this long to close a stream that we have ended, from the last bytes of it that it took, ms. */
const CLOSING_MS = 5_000;

/** What a connection was told last has this long to be taken by the client, ms. Then its socket is destroyed. */
const LAST_WORDS_MS = 250;
/** The groups are looked at in so many parts, one at a tick: pings to all at once would hold up a turn of the event loop. */
const PARTS = 16;
/** Least time between two looks, ms. */
const LEAST_TICK_MS = 20;

const peerOf = ({ remoteAddress, remotePort }: Socket): string =>
  remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort ?? 0}`;

/** Flushes the connections that have something to send, once for all that a turn of the event loop gave them. */
const flushLine = (): ((outbox: Outbox) => void) => {
  let line: Outbox[] = [];
  const flush = (): void => {
    const all = line;
    line = [];
    for (const outbox of all) outbox.flush();
  };
  return (outbox) => {
    if (line.push(outbox) === 1) queueMicrotask(flush);
  };
};

export class H2Transport implements Transport {
  readonly #options: TransportOptions;
  readonly #context: ConnectionContext;
  readonly #settings: Buffer;
  readonly #groups: readonly Set<Connection>[];
  readonly #sockets = new WeakMap<Connection, Socket>();
  /** Ending, and not closed by the client at the last look. */
  readonly #given = new WeakSet<Connection>();
  readonly #tls: Server | undefined;
  /** Groups of sockets whose TLS handshake runs, by peer. */
  readonly #handshakes = new Map<string, number>();
  /** Groups that were sent away: who comes out of its handshake later is sent away at once. */
  readonly #drained = new Map<number, number>();
  readonly #sweep: NodeJS.Timeout;
  /** Groups that a tick looks at, and the next one. */
  readonly #groupsPerTick: number;
  #nextGroup = 0;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { limits, hooks, counters, clock, routes } = options;
    this.#context = {
      limits,
      hooks,
      counters,
      clock,
      routes,
      schedule: flushLine(),
      first: new Deadlines(limits.firstMessageMs, clock, (call) => {
        counters.firstMessagesLate++;
        call.end(STATUS.DEADLINE_EXCEEDED, `no request within ${limits.firstMessageMs} ms`);
      }),
      closing: new Deadlines(CLOSING_MS, clock, (call) => call.abandon()),
      unfinished: { bytes: 0 },
    };
    this.#settings = ourSettings(limits);
    this.#groups = Array.from({ length: GROUPS }, () => new Set<Connection>());
    this.#tls = options.tls === undefined ? undefined : this.#tlsServer(options.tls);
    const everyMs = Math.max(LEAST_TICK_MS, Math.min(limits.keepaliveMs, limits.keepaliveTimeoutMs) / 4);
    const tickMs = Math.max(LEAST_TICK_MS, everyMs / PARTS);
    this.#groupsPerTick = Math.min(GROUPS, Math.ceil((GROUPS * tickMs) / everyMs));
    this.#sweep = setInterval(() => this.#look(), tickMs);
    this.#sweep.unref();
  }

  #tlsServer({ key, cert, clientCa }: TlsOptions): Server {
    const { counters, limits } = this.#options;
    const server = createServer({
      key,
      cert,
      ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
      ALPNProtocols: ['h2'],
      handshakeTimeout: limits.handshakeMs,
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      const group = this.#handshakes.get(peerOf(socket));
      if (socket.alpnProtocol === 'h2' && group !== undefined) this.#begin(socket, group);
      else {
        counters.protocolErrors++;
        socket.destroy();
      }
    });
    server.on('tlsClientError', (_error: Error, socket: Socket) => {
      counters.handshakesFailed++;
      socket.destroy();
    });
    return server;
  }

  serve(socket: Socket, group: number): void {
    if (this.#tls === undefined) {
      this.#begin(socket, group);
      return;
    }
    const peer = peerOf(socket);
    this.#handshakes.set(peer, group);
    socket.once('close', () => this.#handshakes.delete(peer));
    this.#tls.emit('connection', socket);
  }

  #begin(socket: Socket, group: number): void {
    const connection = new Connection(this.#context, new SocketWire(socket), peerOf(socket), this.#settings);
    const others = this.#groups[group];
    others?.add(connection);
    this.#sockets.set(connection, socket);
    socket.on('data', (chunk: Buffer) => connection.receive(chunk));
    // 'close' follows, and tells all that is to be told.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      others?.delete(connection);
      connection.closed();
    });
    const graceMs = this.#drained.get(group);
    if (graceMs !== undefined) this.#sendAway([connection], graceMs);
  }

  /** The next groups: pings silent connections, and drops those that do not answer, or that do not end. One timer for all. */
  #look(): void {
    for (let count = 0; count < this.#groupsPerTick; count++) {
      for (const connection of this.#groups[this.#nextGroup] ?? []) this.#lookAt(connection);
      this.#nextGroup = (this.#nextGroup + 1) % GROUPS;
    }
  }

  #lookAt(connection: Connection): void {
    const { limits, counters, clock } = this.#options;
    if (connection.ending) {
      // At the second look: until then it may read our last words.
      if (this.#given.has(connection)) this.#sockets.get(connection)?.destroy();
      this.#given.add(connection);
    } else if (!connection.alive(clock(), limits.keepaliveMs, limits.keepaliveTimeoutMs)) {
      counters.pingsUnanswered++;
      connection.drop(CODE.NO_ERROR);
    }
  }

  drain(group: number, graceMs: number): void {
    this.#drained.set(group, graceMs);
    this.#sendAway([...(this.#groups[group] ?? [])], graceMs);
  }

  #sendAway(leaving: readonly Connection[], graceMs: number): void {
    for (const connection of leaving) connection.goAway();
    setTimeout(() => this.#endAll(leaving), graceMs).unref();
  }

  /** What they were told goes out first, as far as they take it. */
  #endAll(ending: readonly Connection[]): void {
    for (const connection of ending) this.#sockets.get(connection)?.destroySoon();
    setTimeout(() => {
      for (const connection of ending) this.#sockets.get(connection)?.destroy();
    }, LAST_WORDS_MS).unref();
  }

  destroy(): void {
    clearInterval(this.#sweep);
    this.#context.first.close();
    this.#context.closing.close();
    const all = this.#groups.flatMap((group) => [...group]);
    for (const connection of all) connection.drop(CODE.NO_ERROR);
    this.#endAll(all);
  }
}
