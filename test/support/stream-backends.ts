/** Real toy services for what streams: gRPC, WebSocket, TCP. */
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTcpServer, type Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { type Backend, type BackendOptions, listenOn } from './backends.ts';
import { portOf } from './ports.ts';
import { acceptOf, encodeFrame, FrameParser, OPCODE } from './ws-frames.ts';

export const ECHO_PATHS = { unary: '/tendril.test.Echo/Unary', bidi: '/tendril.test.Echo/Bidi' } as const;
const bytes = { serialize: (value: Buffer): Buffer => value, deserialize: (value: Buffer): Buffer => value } as const;
const method = (path: string, streaming: boolean): grpc.MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: streaming,
  responseStream: streaming,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});
const echoService = { unary: method(ECHO_PATHS.unary, false), bidi: method(ECHO_PATHS.bidi, true) };

export interface GrpcBackend extends Backend {
  /** Every call ends with this gRPC status until called with undefined. */
  fail(code: number | undefined): void;
}

/** gRPC: `Unary` and `Bidi` answer each message with `<id>:<message>`. */
export async function startGrpcBackend(options: BackendOptions): Promise<GrpcBackend> {
  let hits = 0;
  let failure: number | undefined;
  const echo = (message: Buffer): Buffer => Buffer.concat([Buffer.from(`${options.id}:`), message]);
  const server = new grpc.Server();
  server.addService(echoService, {
    unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      hits += 1;
      if (failure === undefined) done(null, echo(call.request));
      else done({ code: failure, details: `${options.id} fails` });
    },
    bidi: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      hits += 1;
      if (failure !== undefined) call.emit('error', { code: failure, details: `${options.id} fails` });
      call.on('data', (message: Buffer) => call.write(echo(message)));
      call.on('end', () => call.end());
      call.on('error', () => call.end());
    },
  });
  const address = options.address ?? '127.0.0.1';
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:${options.port ?? 0}`, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    id: options.id,
    address,
    port,
    hits: () => hits,
    fail: (code) => {
      failure = code;
    },
    close: async () => server.forceShutdown(),
  };
}

/** Tracks sockets so that closing a server also ends what it has open. */
const closing = (server: {
  close(done: () => void): unknown;
  on(event: 'connection', seen: (socket: Socket) => void): unknown;
}): (() => Promise<void>) => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
};

/** WebSocket: each message comes back as `<id>:<message>`; pings are answered, a close is echoed. Other requests get 426. */
export async function startWebSocketBackend(options: BackendOptions): Promise<Backend> {
  let hits = 0;
  const server = createServer((_request, response) => {
    response.writeHead(426, { upgrade: 'websocket' }).end();
  });
  const close = closing(server);
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const key = request.headers['sec-websocket-key'];
    if (request.headers.upgrade?.toLowerCase() !== 'websocket' || key === undefined) {
      socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
      return;
    }
    hits += 1;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: ${acceptOf(key)}\r\nx-backend: ${options.id}\r\n\r\n`,
    );
    const parser = new FrameParser();
    const receive = (chunk: Uint8Array) => {
      for (const { opcode, payload } of parser.push(chunk)) {
        if (opcode === OPCODE.ping) socket.write(encodeFrame(OPCODE.pong, payload, false));
        else if (opcode === OPCODE.close) socket.end(encodeFrame(OPCODE.close, payload, false));
        else socket.write(encodeFrame(opcode, Buffer.concat([Buffer.from(`${options.id}:`), payload]), false));
      }
    };
    socket.on('error', () => socket.destroy());
    socket.on('data', receive);
    if (head.length > 0) receive(head);
  });
  await listenOn(server, options);
  return { id: options.id, address: options.address ?? '127.0.0.1', port: portOf(server), hits: () => hits, close };
}

/** TCP: the first bytes of a connection come back as `<id>:<bytes>`, all later ones unchanged. */
export async function startTcpBackend(options: BackendOptions): Promise<Backend> {
  let hits = 0;
  const server = createTcpServer((socket) => {
    hits += 1;
    socket.on('error', () => socket.destroy());
    socket.once('data', (first: Buffer) => {
      socket.write(Buffer.concat([Buffer.from(`${options.id}:`), first]));
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
    });
    socket.on('end', () => socket.end());
  });
  const close = closing(server);
  await listenOn(server, options);
  return { id: options.id, address: options.address ?? '127.0.0.1', port: portOf(server), hits: () => hits, close };
}
