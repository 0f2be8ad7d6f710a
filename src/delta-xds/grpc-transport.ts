/** The transport on grpc-js: messages pass as bytes, in both directions. */
import type { Socket } from 'node:net';
import {
  Server as GrpcServer,
  type Metadata,
  type MethodDefinition,
  ServerCredentials,
  type ServerDuplexStream,
  ServerInterceptingCall,
  type ServerInterceptor,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Deadlines } from './deadlines.ts';
import { STATUS } from './status.ts';
import {
  type ConnectionHooks,
  GROUPS,
  type StreamHandler,
  type TlsOptions,
  type Transport,
  type TransportCounters,
  type TransportOptions,
  type TransportStream,
} from './transport.ts';

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

const credentialsOf = (tls: TlsOptions | undefined): ServerCredentials =>
  tls === undefined
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(
        tls.clientCa === undefined ? null : Buffer.from(tls.clientCa),
        [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) }],
        tls.clientCa !== undefined,
      );

/** grpc-js refuses large messages by itself; here it is counted and said in the words of the other transport. */
const countRefused =
  (counters: TransportCounters, receiveBytes: number): ServerInterceptor =>
  (_method, call) => {
    const send = call.sendStatus;
    call.sendStatus = (status) => {
      const large = status.code === STATUS.RESOURCE_EXHAUSTED && status.details?.startsWith('Received message larger');
      if (large) counters.messagesRefused++;
      send.call(call, large ? { ...status, details: `a message exceeds ${receiveBytes} bytes` } : status);
    };
    return new ServerInterceptingCall(call);
  };

export const createGrpcTransport = (options: TransportOptions): Transport => {
  const { limits, routes, counters, clock } = options;
  const server = new GrpcServer({
    'grpc.max_receive_message_length': limits.receiveBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': limits.streamsPerConnection,
    'grpc.keepalive_time_ms': limits.keepaliveMs,
    'grpc.keepalive_timeout_ms': limits.keepaliveTimeoutMs,
    'grpc.enable_channelz': 0,
    interceptors: [countRefused(counters, limits.receiveBytes)],
  });
  const first = new Deadlines<TransportStream>(limits.firstMessageMs, clock, (stream) => {
    counters.firstMessagesLate++;
    stream.end(STATUS.DEADLINE_EXCEEDED, `no request within ${limits.firstMessageMs} ms`);
  });
  const implementation: UntypedServiceImplementation = {};
  for (const [path, handle] of routes) implementation[path] = (call: Call): void => serve(call, handle, options, first);
  server.addService(Object.fromEntries([...routes.keys()].map((path) => [path, definitionOf(path)])), implementation);
  const credentials = credentialsOf(options.tls);
  const injectors = Array.from({ length: GROUPS }, () => server.createConnectionInjector(credentials));
  return {
    serve: (socket: Socket, group) => injectors[group]?.injectConnection(socket),
    drain: (group, graceMs) => injectors[group]?.drain(graceMs),
    destroy: () => {
      first.close();
      for (const injector of injectors) injector.destroy();
      server.forceShutdown();
    },
  };
};

const serve = (
  call: Call,
  handle: StreamHandler,
  { limits, hooks, counters }: TransportOptions,
  first: Deadlines<TransportStream>,
): void => {
  const peer = call.getPeer();
  hooks.opened(peer);
  const stream = transportOf(call, peer, hooks);
  if (headerBytes(call.metadata) > limits.headerBytes) {
    counters.headersRefused++;
    call.on('cancelled', () => hooks.closed(peer));
    stream.end(STATUS.RESOURCE_EXHAUSTED, `the request's headers exceed ${limits.headerBytes} bytes`);
    return;
  }
  const listener = handle(stream);
  first.add(stream);
  call.on('data', (message: Buffer) => {
    first.delete(stream);
    listener.onMessage(message);
  });
  call.on('end', () => listener.onHalfClose());
  call.on('cancelled', () => {
    first.delete(stream);
    hooks.closed(peer);
    listener.onClose();
  });
};

const transportOf = (call: Call, peer: string, hooks: ConnectionHooks): TransportStream => ({
  peer,
  write: (message, taken) => call.write(asBuffer(message), taken),
  read: (on) => void (on ? call.resume() : call.pause()),
  end: (code, message) => {
    if (code === STATUS.OK) call.end();
    else call.emit('error', { code, details: message });
  },
  reset: () => hooks.reset(peer),
});
