/**
 * Streams of other services on the relay's port: passed on byte by byte while a control plane is there. While none is, access logs are
 * taken, counted and dropped, since Envoy has no better use for them; anything else is told UNAVAILABLE, and Envoy tries again.
 */
import { type Client, type ClientDuplexStream, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { GRPC_PATHS } from '../../proto/index.ts';
import { same } from './uplink.ts';

export type EnvoyCall = ServerDuplexStream<Buffer, Buffer>;

export interface SideCounters {
  /** Streams open. */
  open: number;
  /** Messages of access logs that nobody took. */
  accessLogsDropped: number;
}

/** Paths that are passed on; any other is UNIMPLEMENTED. */
export const SIDE_PATHS: readonly string[] = [GRPC_PATHS.accessLogs, GRPC_PATHS.loadStats];

/** Bytes for the control plane that may wait. */
const MAX_WAITING_BYTES = 4 * 2 ** 20;

const fail = (call: EnvoyCall, code: number, details: string): void => void call.emit('error', { code, details });

/** After a break, an access log stream whose control plane is there all the same is ended, and Envoy begins another, ms. */
const AGAIN_MS = 1_000;

export interface SideOwner {
  /** A control plane is in use. */
  readonly isUp: () => boolean;
  readonly onClose: () => void;
}

export class SideStream {
  readonly #path: string;
  readonly #call: EnvoyCall;
  readonly #counters: SideCounters;
  readonly #owner: SideOwner;
  #again: NodeJS.Timeout | undefined;
  #up: ClientDuplexStream<Buffer, Buffer> | undefined;
  #ended = false;

  constructor(path: string, call: EnvoyCall, counters: SideCounters, owner: SideOwner) {
    this.#path = path;
    this.#call = call;
    this.#counters = counters;
    this.#owner = owner;
    counters.open++;
    call.on('data', (message: Buffer) => this.#fromEnvoy(message));
    call.on('end', () => {
      if (this.#up === undefined) this.end();
      else this.#up.end();
    });
    call.on('cancelled', () => this.#over());
    call.on('error', () => this.#over());
  }

  /** `client`: towards the control plane; undefined: there is none. May call `onClose` at once. */
  start(client: Client | undefined): void {
    if (client === undefined) this.#lost();
    else this.#pipe(client);
  }

  #pipe(client: Client): void {
    const up = client.makeBidiStreamRequest(this.#path, same, same);
    this.#up = up;
    up.on('data', (message: Buffer) => {
      if (this.#ended || this.#call.write(message)) return;
      up.pause();
      this.#call.once('drain', () => up.resume());
    });
    up.on('error', () => this.#lost());
    up.on('end', () => this.#lost());
  }

  #fromEnvoy(message: Buffer): void {
    const up = this.#up;
    if (up === undefined) {
      this.#counters.accessLogsDropped++;
      return;
    }
    if (up.write(message) || up.writableLength < MAX_WAITING_BYTES) return;
    this.#call.pause();
    up.once('drain', () => this.#call.resume());
  }

  #lost(): void {
    const up = this.#up;
    this.#up = undefined;
    up?.on('error', () => undefined);
    // Not in this turn: see connection.ts (nghttp2 of Node 20 after a GOAWAY).
    setImmediate(() => up?.cancel());
    this.#call.resume();
    if (this.#ended) return;
    if (this.#path === GRPC_PATHS.accessLogs) {
      clearTimeout(this.#again);
      this.#again = setTimeout(() => {
        if (this.#owner.isUp()) this.controlPlaneBack();
      }, AGAIN_MS);
      return;
    }
    this.#ended = true;
    fail(this.#call, status.UNAVAILABLE, 'the control plane is away');
  }

  /** A control plane is there again: a stream that only drops is ended, and Envoy begins another one with its name in front. */
  controlPlaneBack(): void {
    if (this.#up === undefined) this.end();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.end();
    this.#over();
  }

  #over(): void {
    clearTimeout(this.#again);
    this.#ended = true;
    const up = this.#up;
    this.#up = undefined;
    up?.on('error', () => undefined);
    // Not in this turn: see connection.ts (nghttp2 of Node 20 after a GOAWAY).
    setImmediate(() => up?.cancel());
    this.#owner.onClose();
  }
}
