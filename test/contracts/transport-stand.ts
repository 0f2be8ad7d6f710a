/** A transport behind a real listener, and clients for it: what the contract of transports is tested with. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import { Connections } from '../../src/delta-xds/connections.ts';
import { DEFAULT_SERVER_LIMITS, type TransportLimits } from '../../src/delta-xds/limits.ts';
import { listenOn } from '../../src/delta-xds/listener.ts';
import {
  type Routes,
  type TlsOptions,
  type Transport,
  type TransportCounters,
  type TransportOptions,
  type TransportStream,
  zeroTransportCounters,
} from '../../src/delta-xds/transport.ts';

export type MakeTransport = (options: TransportOptions) => Transport;

export const ECHO = '/test.Echo/Both';

/** What the server's side saw of one stream. */
export interface Seen {
  readonly path: string;
  readonly stream: TransportStream;
  messages: number;
  bytes: number;
  halfClosed: boolean;
  closed: number;
}

export interface Stand {
  readonly port: number;
  readonly seen: Seen[];
  readonly counters: TransportCounters;
  readonly connections: Connections;
  readonly transport: Transport;
  /** Streams open now. */
  open(): number;
  stopListening(): void;
  close(): Promise<void>;
}

export interface StandOptions {
  readonly limits?: Partial<TransportLimits>;
  readonly paths?: readonly string[];
  readonly tls?: TlsOptions;
  /** Called with each message; default: it is sent back. */
  readonly onMessage?: (seen: Seen, message: Uint8Array) => void;
}

const nothing = (): void => undefined;

/** Serves `paths` (default: ECHO). A half-close ends the stream with OK. */
export const startStand = async (make: MakeTransport, options: StandOptions = {}): Promise<Stand> => {
  const { paths = [ECHO], onMessage = ({ stream }, message) => stream.write(message, nothing) } = options;
  const limits = { ...DEFAULT_SERVER_LIMITS, ...options.limits };
  const clock = (): number => performance.now();
  const counters = zeroTransportCounters();
  const connections = new Connections(limits, clock, Math.random);
  const seen: Seen[] = [];
  const routes: Routes = new Map(
    paths.map((path) => [
      path,
      (stream: TransportStream) => {
        const one: Seen = { path, stream, messages: 0, bytes: 0, halfClosed: false, closed: 0 };
        seen.push(one);
        return {
          onMessage: (message: Uint8Array) => {
            one.messages++;
            one.bytes += message.length;
            onMessage(one, message);
          },
          onHalfClose: () => {
            one.halfClosed = true;
            stream.end(0, '');
          },
          onClose: () => {
            one.closed++;
          },
        };
      },
    ]),
  );
  const hooks = {
    opened: (peer: string) => connections.opened(peer),
    closed: (peer: string) => connections.closed(peer),
    reset: (peer: string) => connections.reset(peer),
  };
  const transport = make({ limits, routes, hooks, counters, clock, tls: options.tls });
  const listener = await listenOn('127.0.0.1', 0, (socket) => connections.accept(socket, transport), nothing);
  return {
    port: listener.port,
    seen,
    counters,
    connections,
    transport,
    open: () => seen.filter(({ closed }) => closed === 0).length,
    stopListening: () => listener.close(),
    close: async () => {
      listener.close();
      transport.destroy();
      connections.destroy();
      await connections.gone(2_000);
    },
  };
};

const same = (bytes: Buffer): Buffer => bytes;

/** One stream of a real grpc-js client. */
export interface ClientStream {
  readonly client: Client;
  readonly stream: ClientDuplexStream<Buffer, Buffer>;
  readonly messages: Buffer[];
  readonly status: Promise<StatusObject>;
  close(): void;
}

export interface ClientOptions {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly channel?: ChannelCredentials;
  /** Another stream of this client. */
  readonly client?: Client;
  readonly deadline?: number;
}

export const newClient = (port: number, channel: ChannelCredentials = credentials.createInsecure()): Client =>
  new Client(`127.0.0.1:${port}`, channel, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.enable_retries': 0,
    'grpc.ssl_target_name_override': 'localhost',
  });

export const openStream = (port: number, options: ClientOptions = {}): ClientStream => {
  const client = options.client ?? newClient(port, options.channel);
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.headers ?? {})) metadata.set(key, value);
  const stream = client.makeBidiStreamRequest(options.path ?? ECHO, same, same, metadata, {
    ...(options.deadline === undefined ? {} : { deadline: options.deadline }),
  });
  const messages: Buffer[] = [];
  stream.on('error', nothing);
  stream.on('data', (message: Buffer) => messages.push(message));
  const status = new Promise<StatusObject>((done) => stream.on('status', done));
  return {
    client,
    stream,
    messages,
    status,
    close: () => {
      stream.cancel();
      client.close();
    },
  };
};

/** A connection without a library; `received` grows, `closed` resolves with everything received. */
export const openSocket = (
  port: number,
): { readonly socket: Socket; received(): Buffer; readonly closed: Promise<Buffer> } => {
  const chunks: Buffer[] = [];
  const socket = connectTcp({ host: '127.0.0.1', port });
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', nothing);
  const received = (): Buffer => Buffer.concat(chunks);
  return { socket, received, closed: new Promise((done) => socket.on('close', () => done(received()))) };
};

/** Waits for a fact; fails loudly, saying which, after 20 s. */
export const eventually = async (what: string, holds: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 6_000; tries++) {
    if (holds()) return;
    await sleep(10);
  }
  throw new Error(`never: ${what}`);
};

export interface Certificates {
  readonly ca: Buffer;
  readonly server: { readonly key: Buffer; readonly cert: Buffer };
  readonly client: { readonly key: Buffer; readonly cert: Buffer };
  /** Of another authority. */
  readonly stranger: { readonly key: Buffer; readonly cert: Buffer };
}

/** Certificates for one run, made with openssl. */
export const makeCertificates = (): Certificates => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-tls-'));
  const run = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = (name: string): void =>
    run('req', '-x509', ...key, '-keyout', `${name}.key`, '-out', `${name}.crt`, '-subj', `/CN=${name}`, '-days', '2');
  const leaf = (name: string, ca: string): { key: Buffer; cert: Buffer } => {
    writeFileSync(join(dir, 'ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    run('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
    run('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signed);
    return { key: readFileSync(join(dir, `${name}.key`)), cert: readFileSync(join(dir, `${name}.crt`)) };
  };
  try {
    authority('ca');
    authority('other');
    return {
      ca: readFileSync(join(dir, 'ca.crt')),
      server: leaf('server', 'ca'),
      client: leaf('client', 'ca'),
      stranger: leaf('stranger', 'other'),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};
