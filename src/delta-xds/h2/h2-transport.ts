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
  /** Given up, and not closed by the client when it was looked at last. */
  readonly #given = new WeakSet<Connection>();
  readonly #tls: Server | undefined;
  /** Groups of sockets whose TLS handshake runs, by peer. */
  readonly #handshakes = new Map<string, number>();
  readonly #sweep: NodeJS.Timeout;

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
    this.#sweep = setInterval(
      () => this.#look(),
      Math.max(20, Math.min(limits.keepaliveMs, limits.keepaliveTimeoutMs) / 4),
    );
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
  }

  /** Pings all silent connections, and drops those that do not answer, or that do not end. One timer for all. */
  #look(): void {
    const { limits, counters, clock } = this.#options;
    const now = clock();
    for (const group of this.#groups)
      for (const connection of group) {
        if (connection.over) {
          // At the second look: until then it may read our last words.
          if (this.#given.has(connection)) this.#sockets.get(connection)?.destroy();
          this.#given.add(connection);
        } else if (!connection.alive(now, limits.keepaliveMs, limits.keepaliveTimeoutMs)) {
          counters.pingsUnanswered++;
          connection.drop(CODE.NO_ERROR);
        }
      }
  }

  drain(group: number, graceMs: number): void {
    const leaving = [...(this.#groups[group] ?? [])];
    for (const connection of leaving) connection.goAway();
    const timer = setTimeout(() => {
      for (const connection of leaving) this.#sockets.get(connection)?.destroySoon();
    }, graceMs);
    timer.unref();
  }

  destroy(): void {
    clearInterval(this.#sweep);
    this.#context.first.close();
    this.#context.closing.close();
    for (const group of this.#groups)
      for (const connection of [...group]) {
        connection.drop(CODE.NO_ERROR);
        this.#sockets.get(connection)?.destroySoon();
      }
  }
}
