/** One stream to one of several control planes: executes a client session's requests, reconnects with full jitter. */
import type { ChannelCredentials, Client, ClientDuplexStream } from '@grpc/grpc-js';
import { type DeltaRequest, decodeDeltaResponse, encodeDeltaRequest, GRPC_PATHS } from '../proto/index.ts';
import { type BackoffOptions, backoffMs, DEFAULT_BACKOFF } from './backoff.ts';
import { channelTo, type HostPort, type Keepalive } from './channel.ts';
import type { ClientEffect } from './effect.ts';
import { GatheredQuestions } from './gathered-questions.ts';
import type { ClientSession } from './session.ts';

export interface ConnectionOptions {
  /** Tried in turn, beginning with a random one. */
  readonly addresses: readonly HostPort[];
  readonly session: ClientSession;
  /** Called for every effect but requests. */
  readonly onEffect: (effect: ClientEffect) => void;
  readonly onStatus?: (status: ConnectionStatus) => void;
  readonly backoff?: BackoffOptions;
  readonly random?: () => number;
  /** Default: plaintext. */
  readonly credentials?: ChannelCredentials;
  /** Default: a ping after 10 s of silence, 5 s for its answer. */
  readonly keepalive?: Keepalive;
}

export type ConnectionStatus =
  | { readonly is: 'connecting'; readonly to: HostPort }
  /** The first response has come. */
  | { readonly is: 'connected'; readonly to: HostPort }
  | { readonly is: 'waiting'; readonly ms: number; readonly why: string }
  | { readonly is: 'closed' };

export interface ConnectionStats {
  connects: number;
  requests: number;
  requestBytes: number;
  responses: number;
  responseBytes: number;
  resources: number;
  removed: number;
  refused: number;
}

/** A stream that stood this long counts as healthy: the waits begin anew. */
const HEALTHY_MS = 5_000;

const same = (bytes: Buffer): Buffer => bytes;

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #random: () => number;
  #client: Client | undefined;
  #stream: ClientDuplexStream<Buffer, Buffer> | undefined;
  #next: number;
  #failures = 0;
  #heard = false;
  /** When the stream's first response came, by `performance.now`. */
  #heardAt = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #gathered = new GatheredQuestions((request) => this.#send(request));
  #started = false;
  #closed = false;
  readonly stats: ConnectionStats = {
    connects: 0,
    requests: 0,
    requestBytes: 0,
    responses: 0,
    responseBytes: 0,
    resources: 0,
    removed: 0,
    refused: 0,
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#next = Math.floor(this.#random() * options.addresses.length);
  }

  /** Why the last stream ended, or did not come about. */
  lastEnd: string | undefined;

  /** True while a stream is up and the server has answered on it. */
  get connected(): boolean {
    return this.#stream !== undefined && this.#heard;
  }

  start(): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    this.#connect();
  }

  /** Carries out what the session said. */
  run(effects: readonly ClientEffect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'request') {
        if (effect.kind === 'refused') this.stats.refused++;
        this.#options.onEffect(effect);
      } else if (this.#stream !== undefined) this.#gathered.add(effect.request);
    }
  }

  #send(request: DeltaRequest): void {
    const bytes = asBuffer(encodeDeltaRequest(request));
    this.stats.requests++;
    this.stats.requestBytes += bytes.length;
    this.#stream?.write(bytes);
  }

  #connect(): void {
    const { addresses, session, onStatus } = this.#options;
    const to = addresses[this.#next++ % addresses.length];
    if (to === undefined || this.#closed) return;
    onStatus?.({ is: 'connecting', to });
    const client = channelTo(to, this.#options.credentials, this.#options.keepalive);
    const stream = client.makeBidiStreamRequest(GRPC_PATHS.delta, same, same);
    this.#client = client;
    this.#stream = stream;
    this.#heard = false;
    this.stats.connects++;
    stream.on('data', (message: Buffer) => {
      if (this.#stream !== stream) return;
      if (!this.#heard) {
        this.#heard = true;
        this.#heardAt = performance.now();
        onStatus?.({ is: 'connected', to });
      }
      try {
        this.#receive(message);
      } catch (error) {
        this.#lost(stream, error instanceof Error ? error.message : String(error));
      }
    });
    stream.on('error', (error) => this.#lost(stream, error.message));
    stream.on('end', () => this.#lost(stream, 'the server ended the stream'));
    this.run(session.onConnected());
  }

  #receive(message: Buffer): void {
    this.stats.responses++;
    this.stats.responseBytes += message.length;
    const response = decodeDeltaResponse(message);
    this.stats.resources += response.resources.length;
    this.stats.removed += response.removed.length;
    this.run(this.#options.session.onResponse(response));
  }

  #lost(stream: ClientDuplexStream<Buffer, Buffer>, why: string): void {
    if (this.#stream !== stream) return;
    const wasHealthy = this.#heard && performance.now() - this.#heardAt >= HEALTHY_MS;
    this.#drop();
    this.lastEnd = why;
    this.#options.session.onDisconnected();
    if (this.#closed) return;
    if (wasHealthy) this.#failures = 0;
    // Another control plane most likely stands: it is tried at once, but only after a stream that stood, so nobody goes round in a storm.
    const isAtOnce = wasHealthy && this.#options.addresses.length > 1;
    const ms = isAtOnce ? 0 : backoffMs(this.#failures++, this.#random, this.#options.backoff ?? DEFAULT_BACKOFF);
    this.#options.onStatus?.({ is: 'waiting', ms, why });
    this.#timer = setTimeout(() => this.#connect(), ms);
  }

  #drop(): void {
    const [stream, client] = [this.#stream, this.#client];
    this.#gathered.drop();
    this.#stream = undefined;
    this.#client = undefined;
    this.#heard = false;
    // A stream that is cancelled says so once more.
    stream?.on('error', () => undefined);
    // Not in this turn: nghttp2 of Node 20 spins for ever when a stream is reset in the turn that read the server's GOAWAY.
    setImmediate(() => {
      stream?.cancel();
      client?.close();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#options.session.onDisconnected();
    this.#options.onStatus?.({ is: 'closed' });
  }
}
