/**
 * What a session's stream needs of its transport, and what the server needs of one. grpc-js is the reference (`grpc-transport.ts`);
 * `h2/` does the same with HTTP/2 of our own. Both pass `test/contracts/transport.ts`.
 */
import type { Socket } from 'node:net';
import type { TransportLimits } from './limits.ts';

export interface TransportStream {
  /** `address:port` of the other side, or 'unknown'. */
  readonly peer: string;
  /** Writes one message (without gRPC frame). False: full, wait for `taken`. `taken` is called when the transport has passed it on. */
  write(message: Uint8Array, taken: () => void): boolean;
  /** False: reads nothing of the stream until true; the client is held back by flow control. Messages read already still come. */
  read(on: boolean): void;
  /** Ends the stream with a gRPC status. */
  end(code: number, message: string): void;
  /** Drops the stream's connection: for a peer that takes nothing. */
  reset(): void;
}

/** What the transport tells of one stream, in order; nothing after `onClose`, which comes once, also after `end`. */
export interface TransportListener {
  onMessage(message: Uint8Array): void;
  /** The other side has finished sending. */
  onHalfClose(): void;
  onClose(): void;
}

/** Called for every new stream. */
export type StreamHandler = (stream: TransportStream) => TransportListener;

/** Who serves which gRPC path. Any other path: UNIMPLEMENTED. */
export type Routes = ReadonlyMap<string, StreamHandler>;

/** What the server keeps of its connections, told by the transport: `connections.ts`. `peer`: as in `TransportStream`. */
export interface ConnectionHooks {
  /** A stream has begun, or ended. */
  readonly opened: (peer: string) => void;
  readonly closed: (peer: string) => void;
  /** Drop this connection. */
  readonly reset: (peer: string) => void;
}

/** HTTP/2 and gRPC on connections that were accepted elsewhere. */
export interface Transport {
  /** Serves a connection. `group`: 0 to `GROUPS` - 1, for `drain`. */
  serve(socket: Socket, group: number): void;
  /** GOAWAY to the connections of a group; those still there after `graceMs` are destroyed. */
  drain(group: number, graceMs: number): void;
  /** Ends everything at once. */
  destroy(): void;
}

/** Connections are sent away group by group: grpc-js has no GOAWAY for a single one. */
export const GROUPS = 64;

/** TLS of the xDS port. */
export interface TlsOptions {
  /** PEM. */
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
  /** PEM; given: clients must show a certificate of this authority. */
  readonly clientCa?: string | Buffer;
}

/** Counters of a transport. */
export interface TransportCounters {
  /** Streams ended because their headers were too large, a message was too large, or no message came in time. */
  headersRefused: number;
  messagesRefused: number;
  firstMessagesLate: number;
  /** Streams of a path that nobody serves, or that is no gRPC. */
  methodsUnknown: number;
  /** http2: connections that broke HTTP/2 (garbage, HTTP/1, too many streams or frames), opened streams too fast, answered no ping. */
  protocolErrors: number;
  floods: number;
  pingsUnanswered: number;
  /** http2: TLS handshakes that failed or took too long. */
  handshakesFailed: number;
}

export const zeroTransportCounters = (): TransportCounters => ({
  headersRefused: 0,
  messagesRefused: 0,
  firstMessagesLate: 0,
  methodsUnknown: 0,
  protocolErrors: 0,
  floods: 0,
  pingsUnanswered: 0,
  handshakesFailed: 0,
});

/** What both transports are made with. */
export interface TransportOptions {
  readonly limits: TransportLimits;
  readonly routes: Routes;
  readonly hooks: ConnectionHooks;
  readonly counters: TransportCounters;
  /** ms, monotonic. */
  readonly clock: () => number;
  /** Undefined: plaintext. */
  readonly tls: TlsOptions | undefined;
}
