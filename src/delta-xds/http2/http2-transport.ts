/**
 * The transport on node:http2 with gRPC framing of our own: one pass from the message to the socket, few bytes per connection.
 *
 * Not done: compression (only identity is offered), deadlines of `grpc-timeout` (xDS streams have none; the client ends its call
 * itself), the compat API.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { Socket } from 'node:net';
import { Deadlines } from '../deadlines.ts';
import { STATUS } from '../status.ts';
import { GROUPS, type TlsOptions, type Transport, type TransportOptions } from '../transport.ts';
import { Call, type CallContext } from './call.ts';
import { headerBytes, refusedAs } from './grpc-headers.ts';
import { Http2Connection } from './http2-connection.ts';

/** A client has this long to close a stream that we have ended, ms. */
const CLOSING_MS = 5_000;
/** Frames that make no sense, refused streams, pings and settings on their way: then the connection goes. */
const FLOODS = {
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxOutstandingPings: 10,
  maxSettings: 32,
};

const serverOptions = ({ limits }: TransportOptions): ServerOptions => ({
  ...FLOODS,
  // MB. Bytes that wait for a stalled client count; beyond, no new streams. `resetBytes` drops the connection before.
  maxSessionMemory: Math.max(10, Math.ceil((2 * limits.resetBytes + 2 * limits.receiveBytes) / 1e6)),
  maxHeaderListPairs: 128,
  unknownProtocolTimeout: limits.handshakeMs,
  settings: {
    enablePush: false,
    maxConcurrentStreams: limits.streamsPerConnection,
    // Twice: up to there the client is told by a status. Beyond, the stream is reset.
    maxHeaderListSize: 2 * limits.headerBytes,
  },
});

const makeServer = (options: TransportOptions, tls: TlsOptions | undefined): Http2Server =>
  tls === undefined
    ? createServer(serverOptions(options))
    : (createSecureServer({
        ...serverOptions(options),
        key: tls.key,
        cert: tls.cert,
        ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
        ALPNProtocols: ['h2'],
        handshakeTimeout: options.limits.handshakeMs,
      }) as unknown as Http2Server);

export class Http2Transport implements Transport {
  readonly #options: TransportOptions;
  readonly #context: CallContext;
  readonly #servers: readonly Http2Server[];
  readonly #groups: readonly Set<Http2Connection>[];
  readonly #connections = new WeakMap<object, Http2Connection>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { limits, hooks, counters, clock } = options;
    this.#context = {
      limits,
      hooks,
      counters,
      first: new Deadlines(limits.firstMessageMs, clock, (call) => {
        counters.firstMessagesLate++;
        call.end(STATUS.DEADLINE_EXCEEDED, `no request within ${limits.firstMessageMs} ms`);
      }),
      closing: new Deadlines(CLOSING_MS, clock, (call) => call.abandon()),
    };
    this.#groups = Array.from({ length: GROUPS }, () => new Set<Http2Connection>());
    this.#servers = this.#groups.map((group) => this.#server(group));
    this.#sweep = setInterval(
      () => this.#look(),
      Math.max(20, Math.min(limits.keepaliveMs, limits.keepaliveTimeoutMs) / 4),
    );
    this.#sweep.unref();
  }

  #server(group: Set<Http2Connection>): Http2Server {
    const { counters, clock } = this.#options;
    const server = makeServer(this.#options, this.#options.tls);
    server.setTimeout(0);
    server.on('session', (session) => {
      const connection = new Http2Connection(session, clock());
      group.add(connection);
      this.#connections.set(session, connection);
      session.once('close', () => group.delete(connection));
    });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
      this.#stream(stream, headers, raw),
    );
    server.on('sessionError', (error: NodeJS.ErrnoException, session: ServerHttp2Session) => {
      const ours = this.#connections.get(session)?.dropped === true;
      if (!ours && error.code?.startsWith('ERR_HTTP2')) counters.protocolErrors++;
    });
    server.on('unknownProtocol', (socket) => {
      counters.protocolErrors++;
      socket.destroy();
    });
    server.on('tlsClientError', (_error: Error, socket: Socket) => {
      counters.handshakesFailed++;
      socket.destroy();
    });
    return server;
  }

  #stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    const connection = stream.session === undefined ? undefined : this.#connections.get(stream.session);
    if (connection === undefined) return;
    const { limits, routes, counters, clock } = this.#options;
    if (connection.opens(clock()) > limits.streamsPerSecond) {
      counters.floods++;
      connection.drop(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    const call = new Call(this.#context, connection, stream);
    const httpStatus = refusedAs(headers);
    if (httpStatus !== undefined) {
      counters.methodsUnknown++;
      call.refuse(httpStatus);
      return;
    }
    const path = headers[':path'] ?? '';
    const handle = routes.get(path);
    if (headerBytes(raw) > limits.headerBytes) {
      counters.headersRefused++;
      call.end(STATUS.RESOURCE_EXHAUSTED, `the request's headers exceed ${limits.headerBytes} bytes`);
    } else if (handle === undefined) {
      counters.methodsUnknown++;
      call.end(STATUS.UNIMPLEMENTED, `the server does not implement the method ${path.slice(0, 256)}`);
    } else call.start(handle(call));
  }

  /** Pings all silent connections, and drops those that do not answer. One timer for all. */
  #look(): void {
    const { limits, counters, clock } = this.#options;
    const now = clock();
    for (const group of this.#groups)
      for (const connection of group)
        if (!connection.alive(now, limits.keepaliveMs, limits.keepaliveTimeoutMs)) {
          counters.pingsUnanswered++;
          connection.drop(constants.NGHTTP2_NO_ERROR);
        }
  }

  serve(socket: Socket, group: number): void {
    this.#servers[group]?.emit('connection', socket);
  }

  drain(group: number, graceMs: number): void {
    const leaving = [...(this.#groups[group] ?? [])];
    for (const connection of leaving) connection.goAway();
    const timer = setTimeout(() => {
      for (const connection of leaving) connection.drop(constants.NGHTTP2_NO_ERROR);
    }, graceMs);
    timer.unref();
  }

  destroy(): void {
    clearInterval(this.#sweep);
    this.#context.first.close();
    this.#context.closing.close();
    for (const group of this.#groups) for (const connection of [...group]) connection.drop(constants.NGHTTP2_NO_ERROR);
  }
}
