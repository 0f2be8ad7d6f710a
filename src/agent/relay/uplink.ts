/** The way to one of several control planes for one Envoy stream: tried in turn, each at once; after a whole round, a wait with full jitter. */
import { type ChannelCredentials, type Client, type ClientDuplexStream, connectivityState } from '@grpc/grpc-js';
import {
  addressText,
  type BackoffOptions,
  backoffMs,
  channelTo,
  DEFAULT_BACKOFF,
  type HostPort,
} from '../../sidecar-client/index.ts';

/**
 * Connections under way to control planes that accept and say nothing, by address. grpc-js 1.x does not end the socket of a channel that
 * is closed before the first settings frame, so such a channel is used by the next attempt instead of being left behind.
 */
export type UnderWay = Map<string, Client[]>;

export interface UplinkOptions {
  /** The gRPC method. */
  readonly path: string;
  readonly underWay: UnderWay;
  readonly upstreams: readonly HostPort[];
  readonly credentials?: ChannelCredentials;
  readonly backoff?: BackoffOptions;
  readonly random?: () => number;
  readonly onReady: (to: HostPort) => void;
  readonly onMessage: (bytes: Buffer) => void;
  /** The stream has ended, or a whole round of attempts has failed; it goes on trying after `waitMs`. */
  readonly onLost: (why: string, waitMs: number) => void;
}

export const same = (bytes: Buffer): Buffer => bytes;

/** How long one address may take, ms; all of a round together half of what an Envoy waits (`initial_fetch_timeout` 2 s). */
const ROUND_MS = 1_000;
/** A stream that stood this long was a good one: the waits begin anew, ms. */
const STEADY_MS = 5_000;

/** Calls back once: whether the channel got ready within `ms`. */
const whenReady = (client: Client, ms: number, done: (ready: boolean) => void): void => {
  const channel = client.getChannel();
  const deadline = Date.now() + ms;
  const look = (late: boolean): void => {
    const state = channel.getConnectivityState(true);
    const failed = state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN;
    if (state === connectivityState.READY || failed || late) done(state === connectivityState.READY);
    else channel.watchConnectivityState(state, deadline, (error) => look(error !== undefined && error !== null));
  };
  look(false);
};

export class Uplink {
  readonly #options: UplinkOptions;
  readonly #random: () => number;
  #client: Client | undefined;
  /** Its address. */
  #at = '';
  #stream: ClientDuplexStream<Buffer, Buffer> | undefined;
  #next: number;
  #tried = 0;
  #rounds = 0;
  /** When the present stream began. */
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: UplinkOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#next = Math.floor(this.#random() * options.upstreams.length);
  }

  start(): void {
    const { upstreams, onReady } = this.#options;
    const to = upstreams[this.#next++ % upstreams.length];
    if (this.#closed || to === undefined) return;
    this.#at = addressText(to);
    const client = this.#options.underWay.get(this.#at)?.pop() ?? channelTo(to, this.#options.credentials);
    this.#client = client;
    whenReady(client, ROUND_MS / upstreams.length, (ready) => {
      if (this.#closed || this.#client !== client) return;
      if (!ready) return this.#failed(`${this.#at} does not answer`);
      const stream = client.makeBidiStreamRequest(this.#options.path, same, same);
      this.#stream = stream;
      this.#since = performance.now();
      stream.on('data', (message: Buffer) => {
        if (this.#stream !== stream) return;
        this.#options.onMessage(message);
      });
      stream.on('error', (error) => this.lost(error.message, stream));
      stream.on('end', () => this.lost('the control plane ended the stream', stream));
      onReady(to);
    });
  }

  send(bytes: Uint8Array): void {
    this.#stream?.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** Bytes that the control plane has not taken yet. */
  get unsent(): number {
    return this.#stream?.writableLength ?? 0;
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  /** Leaves the present stream; the next is tried after a wait. */
  lost(why: string, stream = this.#stream): void {
    if (this.#closed || stream === undefined || this.#stream !== stream) return;
    if (performance.now() - this.#since >= STEADY_MS) this.#rounds = 0;
    this.#drop();
    this.#wait(why);
  }

  #failed(why: string): void {
    this.#drop();
    if (++this.#tried < this.#options.upstreams.length) this.start();
    else this.#wait(why);
  }

  #wait(why: string): void {
    this.#tried = 0;
    const ms = backoffMs(this.#rounds++, this.#random, this.#options.backoff ?? DEFAULT_BACKOFF);
    this.#timer = setTimeout(() => this.start(), ms);
    this.#options.onLost(why, ms);
  }

  #drop(): void {
    const [stream, client] = [this.#stream, this.#client];
    this.#stream = undefined;
    this.#client = undefined;
    // A stream that is cancelled says so once more.
    stream?.on('error', () => undefined);
    if (client?.getChannel().getConnectivityState(false) !== connectivityState.CONNECTING)
      // Not in this turn: see connection.ts (nghttp2 of Node 20 after a GOAWAY).
      setImmediate(() => {
        stream?.cancel();
        client?.close();
      });
    else {
      stream?.cancel();
      const { underWay } = this.#options;
      underWay.set(this.#at, [...(underWay.get(this.#at) ?? []), client]);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#drop();
  }
}
