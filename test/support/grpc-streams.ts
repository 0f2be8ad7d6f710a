/** gRPC streams by hand over node:http2: many on one connection, each cheap. For tests that need thousands. */
import { type ClientHttp2Session, type ClientHttp2Stream, type ClientSessionOptions, connect } from 'node:http2';
import type { Socket } from 'node:net';
import { Deframer, frame } from '../../bench/sim/client/wire.ts';

export { frame };

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
  const deframer = new Deframer();
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
    for (const message of deframer.messages(chunk)) events.onMessage(message);
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
