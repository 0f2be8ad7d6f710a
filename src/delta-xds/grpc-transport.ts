/** The gRPC methods of the xDS port on grpc-js: messages pass as bytes, in both directions. */
import {
  Server as GrpcServer,
  type Metadata,
  type MethodDefinition,
  type ServerDuplexStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { ServerLimits } from './limits.ts';
import { STATUS } from './status.ts';
import type { Routes, StreamHandler, TransportStream } from './transport.ts';

const same = (bytes: Buffer): Buffer => bytes;

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Every method is a stream in both directions here; one that takes and gives a single message looks the same on the wire. */
const definitionOf = (path: string): MethodDefinition<Buffer, Buffer> => ({
  path,
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

type Call = ServerDuplexStream<Buffer, Buffer>;

const headerBytes = (metadata: Metadata): number => {
  let bytes = 0;
  for (const [key, value] of Object.entries(metadata.getMap())) bytes += key.length + value.length;
  return bytes;
};

export interface GrpcHooks {
  readonly opened: (peer: string) => void;
  readonly reset: (peer: string) => void;
}

export const createGrpcServer = (limits: ServerLimits, routes: Routes, hooks: GrpcHooks): GrpcServer => {
  const server = new GrpcServer({
    'grpc.max_receive_message_length': limits.receiveBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': limits.streamsPerConnection,
    'grpc.keepalive_time_ms': limits.keepaliveMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    'grpc.enable_channelz': 0,
  });
  const implementation: UntypedServiceImplementation = {};
  for (const [path, handle] of routes) implementation[path] = (call: Call): void => serve(call, handle, limits, hooks);
  server.addService(Object.fromEntries([...routes.keys()].map((path) => [path, definitionOf(path)])), implementation);
  return server;
};

const serve = (call: Call, handle: StreamHandler, limits: ServerLimits, hooks: GrpcHooks): void => {
  const peer = call.getPeer();
  hooks.opened(peer);
  const stream = transportOf(call, peer, hooks);
  if (headerBytes(call.metadata) > limits.headerBytes) {
    stream.end(STATUS.RESOURCE_EXHAUSTED, `the request's headers exceed ${limits.headerBytes} bytes`);
    return;
  }
  const listener = handle(stream);
  const first = setTimeout(
    () => stream.end(STATUS.DEADLINE_EXCEEDED, `no request within ${limits.firstMessageMs} ms`),
    limits.firstMessageMs,
  );
  first.unref();
  call.on('data', (message: Buffer) => {
    clearTimeout(first);
    listener.onMessage(message);
  });
  call.on('end', () => listener.onHalfClose());
  call.on('cancelled', () => {
    clearTimeout(first);
    listener.onClose();
  });
};

const transportOf = (call: Call, peer: string, hooks: GrpcHooks): TransportStream => ({
  peer,
  write: (message, taken) => call.write(asBuffer(message), taken),
  end: (code, message) => {
    if (code === STATUS.OK) call.end();
    else call.emit('error', { code, details: message });
  },
  reset: () => hooks.reset(peer),
});
