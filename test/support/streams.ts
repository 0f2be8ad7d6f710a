/** Streams to the toy services: gRPC bidi, WebSocket, TCP; send a message, await the next. */
import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { authorityOf, DEFAULT_TIMEOUT_MS, deadline, grpcClient, same } from './clients.ts';
import { ECHO_PATHS } from './stream-backends.ts';
import { acceptOf, encodeFrame, FrameParser, OPCODE } from './ws-frames.ts';

/** A queue between a stream that pushes and a test that waits. */
class Inbox {
  readonly #items: Buffer[] = [];
  readonly #waiting: { readonly resolve: (item: Buffer) => void; readonly reject: (error: Error) => void }[] = [];
  #ended: Error | undefined;

  push(item: Buffer): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#items.push(item);
    else next.resolve(item);
  }

  end(error: Error): void {
    this.#ended ??= error;
    for (const next of this.#waiting.splice(0)) next.reject(this.#ended);
  }

  next(timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<Buffer> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const entry = {
        resolve: (value: Buffer) => {
          clearTimeout(timer);
          resolve(value);
        },
        reject: (error: Error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1);
        reject(new Error(`nothing received in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.push(entry);
    });
  }
}

export interface MessageStream {
  send(message: string): void;
  /** The next message; rejects after `timeoutMs` (default 10,000) or when the stream has ended. */
  next(timeoutMs?: number): Promise<string>;
  close(): Promise<void>;
}

/** A bidirectional stream of the toy gRPC service; `next` rejects with `code <n>` when it ends. */
export function openGrpcStream(options: {
  readonly port: number;
  readonly authority?: string;
  readonly timeoutMs?: number;
}): MessageStream {
  const client = grpcClient(options);
  const call = client.makeBidiStreamRequest(
    ECHO_PATHS.bidi,
    same,
    same,
    new grpc.Metadata(),
    deadline(options.timeoutMs),
  );
  const inbox = new Inbox();
  const ended = new Promise<void>((resolve) => {
    call.on('status', (status) => {
      inbox.end(new Error(`stream ended with code ${status.code} ${status.details}`));
      resolve();
    });
  });
  call.on('data', (message: Buffer) => inbox.push(message));
  call.on('error', (error) => inbox.end(error));
  return {
    send: (message) => {
      call.write(Buffer.from(message));
    },
    next: async (timeoutMs) => (await inbox.next(timeoutMs)).toString('utf8'),
    close: async () => {
      call.end();
      await ended;
      client.close();
    },
  };
}

/** A WebSocket over HTTP/1.1; rejects with the status when it is not 101. */
export function openWebSocket(options: {
  readonly port: number;
  readonly authority?: string;
  readonly path?: string;
  readonly timeoutMs?: number;
}): Promise<MessageStream> {
  const key = randomBytes(16).toString('base64');
  const { port, path = '/', timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const headers = {
      host: authorityOf(options),
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': key,
      'sec-websocket-version': '13',
    };
    const call = httpRequest({ host: '127.0.0.1', port, path, headers, agent: false, timeout: timeoutMs });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error(`no upgrade in ${timeoutMs} ms`)));
    call.on('response', (response) => {
      response.resume();
      reject(new Error(`status ${response.statusCode}, not 101`));
    });
    call.on('upgrade', (response: IncomingMessage, socket: Socket, head: Buffer) => {
      if (response.headers['sec-websocket-accept'] !== acceptOf(key)) {
        socket.destroy();
        reject(new Error('wrong sec-websocket-accept'));
        return;
      }
      socket.setTimeout(0);
      const parser = new FrameParser();
      resolve(
        overSocket(socket, head, {
          encode: (message) => encodeFrame(OPCODE.text, Buffer.from(message), true),
          decode: (chunk) =>
            parser
              .push(chunk)
              .flatMap(({ opcode, payload }) => (opcode === OPCODE.text || opcode === OPCODE.binary ? [payload] : [])),
          goodbye: encodeFrame(OPCODE.close, Buffer.alloc(0), true),
        }),
      );
    });
    call.end();
  });
}

/** A TCP connection; every chunk received is a message. */
export function openTcp(options: { readonly port: number; readonly address?: string }): Promise<MessageStream> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp(options.port, options.address ?? '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () =>
      resolve(
        overSocket(socket, Buffer.alloc(0), { encode: (message) => Buffer.from(message), decode: (chunk) => [chunk] }),
      ),
    );
  });
}

interface Framing {
  readonly encode: (message: string) => Buffer;
  readonly decode: (chunk: Buffer) => Buffer[];
  readonly goodbye?: Buffer;
}

function overSocket(socket: Socket, head: Buffer, { encode, decode, goodbye }: Framing): MessageStream {
  const inbox = new Inbox();
  const receive = (chunk: Buffer) => {
    for (const message of decode(chunk)) inbox.push(message);
  };
  socket.on('data', receive);
  socket.on('error', (error) => inbox.end(error));
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      inbox.end(new Error('connection closed'));
      resolve();
    });
  });
  if (head.length > 0) receive(head);
  return {
    send: (message) => {
      socket.write(encode(message));
    },
    next: async (timeoutMs) => (await inbox.next(timeoutMs)).toString('utf8'),
    close: async () => {
      if (goodbye === undefined) socket.end();
      else socket.end(goodbye);
      const hard = setTimeout(() => socket.destroy(), 1_000);
      await ended;
      clearTimeout(hard);
    },
  };
}
