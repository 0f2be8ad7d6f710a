/**
 * The one place that knows the insides of kafkajs. Its public consumer needs a group (3 s to join), keeps offsets of its own and
 * silently resets those out of range (kafkajs #1119); its public producer sends a batch again with the same sequence number after a
 * failure. Neither may happen to a log, so the requests are sent one by one through the layer below: connections, TLS, SASL, metadata
 * and encoding are kafkajs's, what is read and what is retried is ours. The version is pinned in package.json; an upgrade
 * has to look at the files named here.
 */
import { createRequire } from 'node:module';
import * as net from 'node:net';
import { addAbortSignal } from 'node:stream';
import * as tls from 'node:tls';
import type { Admin, ISocketFactory, Kafka, SASLOptions } from 'kafkajs';
import type { KafkaAddress } from '../../model/index.ts';
import type { StoreLogger } from '../../store/index.ts';
import type { KafkaSettings } from './settings.ts';

/** src/protocol/requests: a request, and how its response is read. */
interface Exchange {
  readonly request: unknown;
  readonly response: {
    readonly decode: (bytes: Buffer) => Promise<unknown>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
  /** ms; less than `REQUEST_TIMEOUT_MS` counts as that. */
  readonly requestTimeout?: number;
}

/** src/protocol/requests/produce/index.js, of the version that broker and library know. */
type ProduceRequest = (request: {
  readonly topicData: readonly unknown[];
  readonly producerId: unknown;
  readonly producerEpoch: number;
  readonly acks: number;
  readonly timeout: number;
}) => Exchange;

/** What a produce request is answered with. */
export interface Produced {
  readonly topics: readonly { readonly partitions: readonly { readonly baseOffset: string }[] }[];
}

/** src/broker/index.js. */
export interface LibraryBroker {
  readonly nodeId: number;
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null;
  /** src/network/connectionPool.js: fetches have a connection of their own. */
  readonly connectionPool: {
    send(exchange: Exchange): Promise<unknown>;
    /** src/network/connection.js: the one that this exchange would take, connected. */
    getConnectionByRequest(exchange: Exchange): Promise<{ readonly socket: net.Socket }>;
  };
  lookupRequest(apiKey: number, definition: unknown): unknown;
  listOffsets(request: {
    readonly replicaId: number;
    readonly isolationLevel: number;
    readonly topics: readonly unknown[];
  }): Promise<{ readonly responses: readonly { readonly partitions: readonly { readonly offset: string }[] }[] }>;
  initProducerId(request: {
    readonly transactionTimeout: number;
  }): Promise<{ readonly producerId: unknown; readonly producerEpoch: number }>;
}

/** src/cluster/index.js. */
export interface LibraryCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number; readonly leader: number }[];
  findBroker(query: { readonly nodeId: number }): Promise<LibraryBroker>;
}

interface Entry {
  readonly namespace: string;
  readonly log: { readonly message: string; readonly [more: string]: unknown };
}

const load = createRequire(import.meta.url);

/** ms without an answer, after which a connection counts as dead. Fetches and appends, whose size a slow link feels, have rules of their own. */
export const REQUEST_TIMEOUT_MS = 15_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** kafkajs says the same at every attempt; one line of it is enough. */
const logLine = (logger: StoreLogger | undefined) => () => {
  let last = '';
  return ({ namespace, log: { message } }: Entry): void => {
    if (message !== last) logger?.info({ kafka: namespace }, message);
    last = message;
  };
};

const saslOf = (settings: KafkaSettings): { readonly sasl?: SASLOptions } =>
  settings.sasl === undefined ? {} : { sasl: settings.sasl as SASLOptions };

export interface LibraryOptions {
  readonly address: KafkaAddress;
  readonly settings: KafkaSettings;
  readonly logger?: StoreLogger;
  /** When it is aborted, every socket is cut, from the first one on; later ones too. */
  readonly signal?: AbortSignal;
}

/** Sockets of one cluster object, to be cut at once. */
export interface Sockets {
  cut(why: Error): void;
}

const socketsAndFactory = (
  signal: AbortSignal | undefined,
): { readonly sockets: Sockets; readonly socketFactory: unknown } => {
  const open = new Set<net.Socket>();
  type Wanted = { host: string; port: number; ssl?: tls.ConnectionOptions; onConnect: () => void };
  const socketFactory = ({ host, port, ssl, onConnect }: Wanted): net.Socket => {
    const name = net.isIP(host) === 0 ? { servername: host } : {};
    const socket =
      ssl === undefined || ssl === null
        ? net.connect({ host, port }, onConnect)
        : tls.connect({ host, port, ...name, ...ssl }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    // kafkajs may have taken its own listeners away when the socket is cut.
    socket.on('error', () => undefined);
    if (signal !== undefined) addAbortSignal(signal, socket);
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    return socket;
  };
  const cut = (why: Error): void => {
    for (const socket of open) socket.destroy(why);
  };
  return { sockets: { cut }, socketFactory };
};

const commonOf = ({ address, settings }: LibraryOptions) => ({
  brokers: [...address.brokers],
  clientId: 'tendril',
  connectionTimeout: CONNECT_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  retry: { retries: 0 },
  ...saslOf(settings),
});

/** A cluster object that tries nothing twice: who calls decides. */
export const createCluster = (
  options: LibraryOptions,
): { readonly cluster: LibraryCluster; readonly sockets: Sockets } => {
  const Cluster = load('kafkajs/src/cluster/index.js') as new (options: object) => LibraryCluster;
  const { createLogger } = load('kafkajs/src/loggers/index.js') as { createLogger(options: object): unknown };
  const { sockets, socketFactory } = socketsAndFactory(options.signal);
  const cluster = new Cluster({
    ...commonOf(options),
    logger: createLogger({ level: WARNINGS, logCreator: logLine(options.logger) }),
    ssl: options.settings.tls === undefined ? null : { ...options.settings.tls },
    socketFactory,
    enforceRequestTimeout: true,
    metadataMaxAge: 300_000,
    allowAutoTopicCreation: false,
    maxInFlightRequests: null,
    isolationLevel: 1,
  });
  return { cluster, sockets };
};

/** Level of src/loggers/index.js: errors and warnings. */
const WARNINGS = 2;

/** The public admin client, for settings of the topic. */
export const createAdmin = (options: LibraryOptions): Admin => {
  const { Kafka: KafkaClass } = load('kafkajs') as { Kafka: typeof Kafka };
  const { tls: ssl } = options.settings;
  const kafka = new KafkaClass({
    ...commonOf(options),
    ...(ssl === undefined ? {} : { ssl: { ...ssl } }),
    socketFactory: socketsAndFactory(options.signal).socketFactory as ISocketFactory,
    retry: { retries: 3, initialRetryTime: 100 },
    logLevel: WARNINGS,
    logCreator: logLine(options.logger),
  });
  return kafka.admin();
};

/** As `work`, but rejects as soon as the signal is aborted: what becomes of `work` then does not matter. */
export const unlessAborted = async <T>(signal: AbortSignal, work: Promise<T>): Promise<T> => {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new Error('the log is being closed'));
  });
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};

const PRODUCE_KEY = 0;

export const produceRequest = (broker: LibraryBroker): ProduceRequest =>
  broker.lookupRequest(PRODUCE_KEY, load('kafkajs/src/protocol/requests/produce/index.js')) as ProduceRequest;

type FetchRequest = (request: object) => unknown;

/** src/protocol/requests/fetch/v11/request.js. */
export const fetchRequest = (request: object): unknown =>
  (load('kafkajs/src/protocol/requests/fetch/v11/request.js') as FetchRequest)(request);

/** The innermost reason: kafkajs wraps errors in "retries exceeded". */
export const reasonOf = (error: unknown): Error & { readonly type?: string; readonly code?: unknown } => {
  let reason = error instanceof Error ? error : new Error(String(error));
  for (let depth = 0; depth < 5; depth++) {
    const { originalError, cause } = reason as { readonly originalError?: unknown; readonly cause?: unknown };
    const inner = originalError ?? cause;
    if (!(inner instanceof Error)) break;
    reason = inner;
  }
  return reason;
};
