/** The client side of gRPC streams by hand over node:http2: many in one process, each cheap. */
import { type ClientHttp2Session, connect } from 'node:http2';

const HEADER_BYTES = 5;

/** One message with gRPC's prefix: not compressed, length. */
export const frame = (message: Uint8Array): Buffer => {
  const framed = Buffer.allocUnsafe(HEADER_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, HEADER_BYTES);
  return framed;
};

/** Puts messages together again from chunks as they come. */
export class Deframer {
  #chunks: Buffer[] = [];
  #size = 0;
  /** Bytes wanted before anything can be given. */
  #wanted = HEADER_BYTES;

  *messages(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return;
    let data = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#wanted = HEADER_BYTES;
    while (data.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + data.readUInt32BE(1);
      if (data.length < end) {
        this.#wanted = end;
        break;
      }
      yield data.subarray(HEADER_BYTES, end);
      data = data.subarray(end);
    }
    this.#chunks = data.length === 0 ? [] : [data];
    this.#size = data.length;
  }
}

export interface SimStream {
  send(message: Uint8Array): void;
}

export const openStream = (
  session: ClientHttp2Session,
  path: string,
  events: { readonly onMessage: (message: Buffer) => void; readonly onEnd: () => void },
): SimStream => {
  const raw = session.request(
    { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    { endStream: false },
  );
  const deframer = new Deframer();
  raw.on('data', (chunk: Buffer) => {
    for (const message of deframer.messages(chunk)) events.onMessage(message);
  });
  raw.on('error', () => undefined); // 'close' follows
  raw.on('close', () => events.onEnd());
  return {
    send: (message) => {
      if (!raw.destroyed && !raw.writableEnded) raw.write(frame(message));
    },
  };
};

/** A connection to a gRPC server on loopback. Its errors show as ends of its streams, or as `close`. */
export const openConnection = (port: number): ClientHttp2Session => {
  const session = connect(`http://127.0.0.1:${port}`, { maxSessionMemory: 1_000 });
  session.on('error', () => undefined);
  return session;
};
