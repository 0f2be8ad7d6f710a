/**
 * One connection of HTTP/2 without TLS (prior knowledge), many requests at a time. It stands when the server's first SETTINGS are there: so
 * a port that does not speak HTTP/2 is a failed connection, and how many streams it takes is known from the first request on. Invariants:
 *  1. `closed` is told once.
 *  2. After GOAWAY, `drain`, or the last request that `requestsPerConnection` allows there is no room; what runs is served, then it closes.
 *  3. Nothing is destroyed in the turn in which frames are read: when a GOAWAY ends several streams, nghttp2 of Node 20.20 loops for ever then.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';

/** Streams of one connection at most, whatever the server allows. */
const MOST_STREAMS = 1_024;
/**
 * What node:http2 may hold for one connection, MB. Bodies that wait for the server's window count, and beyond it the answers of other
 * streams are reset: its default, 10, is two uploads. Bodies of bytes are in the caller's memory already, of the others a chunk waits.
 */
const SESSION_MB = 1_000;
/** While requests run, so often a PING, ms; without an answer for `PING_WAIT_MS` the connection is dead. */
const PING_MS = 30_000;
const PING_WAIT_MS = 5_000;
/** Without requests for so long it is closed, ms. */
const IDLE_MS = 60_000;

export interface H2Options {
  /** `address:port`. */
  readonly key: string;
  readonly connectTimeoutMs: number;
  readonly maxRequests: number;
  /** Defaults: 30 s, 5 s, 60 s. */
  readonly pingMs?: number;
  readonly pingWaitMs?: number;
  readonly idleMs?: number;
}

export interface H2Listener {
  /** There may be room where there was none, or no longer any: it stands, a stream ended, GOAWAY came. */
  changed(): void;
  /** `error`: why it does not stand, or broke. */
  closed(error: Error | undefined): void;
}

/** Why a connection does not stand, in words for whoever named the protocol of the port. */
const whyNot = (error: Error | undefined): Error => {
  if (error === undefined) return new Error('closed the connection before its HTTP/2 settings came');
  const { code = '' } = error as { readonly code?: string };
  return code.startsWith('ERR_HTTP2') ? new Error('does not speak HTTP/2 without TLS', { cause: error }) : error;
};

export class H2Connection {
  readonly #session: ClientHttp2Session;
  readonly #options: H2Options;
  readonly #listener: H2Listener;
  #stands = false;
  #draining = false;
  #streams = 0;
  #requests = 0;
  #most = 1;
  #error: Error | undefined;
  #connecting: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #pinging: NodeJS.Timeout | undefined;
  #pong: NodeJS.Timeout | undefined;
  readonly #end: Promise<void>;

  constructor(options: H2Options, listener: H2Listener) {
    this.#options = options;
    this.#listener = listener;
    const session = connect(`http://${options.key}`, { settings: { enablePush: false }, maxSessionMemory: SESSION_MB });
    this.#session = session;
    this.#connecting = setTimeout(() => {
      this.#break(new Error(`no HTTP/2 connection within ${options.connectTimeoutMs} ms`));
    }, options.connectTimeoutMs);
    session.on('remoteSettings', ({ maxConcurrentStreams = MOST_STREAMS }) => {
      // Of a server that takes none for now, nghttp2 keeps the stream until it does.
      this.#most = Math.max(1, Math.min(maxConcurrentStreams, MOST_STREAMS));
      if (!this.#stands) this.#stand();
      this.#listener.changed();
    });
    session.on('goaway', () => {
      this.#draining = true;
      this.#listener.changed();
    });
    session.on('error', (error) => {
      this.#error ??= error;
    });
    this.#end = new Promise((done) => {
      session.once('close', () => {
        for (const timer of [this.#connecting, this.#idle, this.#pinging, this.#pong]) clearTimeout(timer);
        this.#draining = true;
        this.#listener.closed(this.#stands ? this.#error : whyNot(this.#error));
        done();
      });
    });
  }

  get stands(): boolean {
    return this.#stands;
  }

  /** It takes no further request. */
  get spent(): boolean {
    return this.#draining;
  }

  /** Requests it takes now. */
  get room(): number {
    return this.#stands && !this.#draining ? this.#most - this.#streams : 0;
  }

  /** A place for one request; returns how to give it back. */
  reserve(): () => void {
    this.#streams += 1;
    this.#requests += 1;
    if (this.#requests >= this.#options.maxRequests) this.#draining = true;
    if (this.#streams === 1) this.#busy();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#streams -= 1;
      if (this.#streams === 0) this.#rest();
      this.#listener.changed();
    };
  }

  /** Throws when the connection is gone, or what the caller wants can not be sent. */
  request(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    return this.#session.request(headers, { endStream });
  }

  drain(): void {
    this.#draining = true;
    if (this.#streams === 0) this.#rest();
  }

  /** Cuts it. */
  close(): Promise<void> {
    this.#draining = true;
    this.#break(undefined);
    return this.#end;
  }

  #break(error: Error | undefined): void {
    this.#error ??= error;
    setImmediate(() => this.#session.destroy());
  }

  #stand(): void {
    this.#stands = true;
    clearTimeout(this.#connecting);
    if (this.#streams === 0) this.#rest();
  }

  #busy(): void {
    clearTimeout(this.#idle);
    this.#session.ref();
    this.#pinging ??= setInterval(() => this.#ping(), this.#options.pingMs ?? PING_MS).unref();
  }

  /** No request runs: a process may end meanwhile. */
  #rest(): void {
    clearInterval(this.#pinging);
    this.#pinging = undefined;
    this.#answered();
    clearTimeout(this.#idle);
    if (!this.#stands) return;
    this.#session.unref();
    if (this.#draining) setImmediate(() => this.#session.close());
    else this.#idle = setTimeout(() => this.drain(), this.#options.idleMs ?? IDLE_MS).unref();
  }

  #ping(): void {
    if (this.#pong !== undefined || this.#session.closed || this.#session.destroyed) return;
    this.#pong = setTimeout(
      () => this.#break(new Error('no answer to PING')),
      this.#options.pingWaitMs ?? PING_WAIT_MS,
    ).unref();
    this.#session.ping(() => this.#answered());
  }

  #answered(): void {
    clearTimeout(this.#pong);
    this.#pong = undefined;
  }
}
