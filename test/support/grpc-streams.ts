/** gRPC streams by hand over node:http2: many on one connection, each cheap. For tests that need thousands. */
import { type ClientHttp2Session, type ClientHttp2Stream, type ClientSessionOptions, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { MESSAGE_HEAD, MessageReader } from '../../src/delta-xds/h2/message-reader.ts';

const MAX_MESSAGE = 1024 * 1024 * 1024;

/** One message with gRPC's prefix: not compressed, length. */
export const frame = (message: Uint8Array): Buffer => {
  const framed = Buffer.allocUnsafe(MESSAGE_HEAD + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, MESSAGE_HEAD);
  return framed;
};

export interface GrpcStream {
  send(message: Uint8Array): void;
  /** Ends our side. */
  halfClose(): void;
  /** Ends it at once. */
  cancel(): void;
  readonly raw: ClientHttp2Stream;
}

export interface StreamEvents {
  readonly onMessage: (message: Buffer) => void;
  /** gRPC status of the server; undefined: the stream or its connection broke off. */
  readonly onEnd: (status: { readonly code: number; readonly message: string } | undefined) => void;
}

export const openStream = (session: ClientHttp2Session, path: string, events: StreamEvents): GrpcStream => {
  const raw = session.request(
    { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    { endStream: false },
  );
  const reader = new MessageReader(MAX_MESSAGE);
  let status: { readonly code: number; readonly message: string } | undefined;
  const note = (headers: Record<string, unknown>): void => {
    if (headers['grpc-status'] !== undefined)
      status = {
        code: Number(headers['grpc-status']),
        message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
      };
  };
  raw.on('response', note);
  raw.on('trailers', note);
  raw.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) events.onMessage(message);
  });
  raw.on('error', () => undefined); // 'close' follows
  raw.on('close', () => events.onEnd(status));
  return {
    send: (message) => {
      if (!raw.destroyed && !raw.writableEnded) raw.write(frame(message));
    },
    halfClose: () => raw.end(),
    cancel: () => raw.close(8),
    raw,
  };
};

/** A connection to a gRPC server on loopback. Its errors show as ends of its streams. */
export const openConnection = (
  port: number,
  options: ClientSessionOptions & { readonly createConnection?: () => Socket } = {},
): ClientHttp2Session => {
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000, ...options });
  session.on('error', () => undefined);
  return session;
};
