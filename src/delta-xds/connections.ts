/**
 * Accepted connections: bounds per server and address, first-stream time-out, and the buckets in which they are sent away when the
 * server drains. grpc-js offers GOAWAY only for all connections of an injector, so there are as many injectors as steps.
 */

import type { Socket } from 'node:net';
import type { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import type { ServerLimits } from './limits.ts';

const BUCKETS = 64;
/** A connection's GOAWAY comes this much after the one before it, at most, ms. */
const STEP_MS = 5;
/** After GOAWAY a connection has this long to end by itself, ms. */
const GRACE_MS = 1_000;

type Injector = ReturnType<GrpcServer['createConnectionInjector']>;

interface Bucket {
  readonly injector: Injector;
  readonly sockets: Set<Socket>;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  readonly bucket: Bucket;
  idle: NodeJS.Timeout | undefined;
}

export class Connections {
  readonly #limits: ServerLimits;
  readonly #random: () => number;
  readonly #buckets: Bucket[] = [];
  readonly #byPeer = new Map<string, Connection>();
  readonly #perAddress = new Map<string, number>();
  #next = 0;
  /** Counters. */
  readonly counters = { accepted: 0, refused: 0, idle: 0 };

  constructor(grpc: GrpcServer, credentials: ServerCredentials, limits: ServerLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
    for (let count = 0; count < BUCKETS; count++)
      this.#buckets.push({ injector: grpc.createConnectionInjector(credentials), sockets: new Set() });
  }

  get size(): number {
    return this.#byPeer.size;
  }

  /** Takes over an accepted socket, or closes it at a bound. */
  accept(socket: Socket): void {
    const address = socket.remoteAddress ?? 'unknown';
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#byPeer.size >= this.#limits.connections || count >= this.#limits.connectionsPerAddress) {
      this.counters.refused++;
      socket.destroy();
      return;
    }
    const bucket = this.#buckets[this.#next++ % BUCKETS];
    if (bucket === undefined) return;
    this.counters.accepted++;
    this.#perAddress.set(address, count + 1);
    const peer = `${address}:${socket.remotePort ?? this.#next}`;
    const idle = setTimeout(() => {
      this.counters.idle++;
      socket.destroy();
    }, this.#limits.firstStreamMs);
    idle.unref();
    const connection: Connection = { socket, address, bucket, idle };
    this.#byPeer.set(peer, connection);
    bucket.sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => {
      clearTimeout(connection.idle);
      bucket.sockets.delete(socket);
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
    });
    bucket.injector.injectConnection(socket);
  }

  /** A stream has begun on this connection. */
  opened(peer: string): void {
    const connection = this.#byPeer.get(peer);
    if (connection === undefined) return;
    clearTimeout(connection.idle);
    connection.idle = undefined;
  }

  /** Drops a connection. */
  reset(peer: string): void {
    this.#byPeer.get(peer)?.socket.destroy();
  }

  /**
   * GOAWAY to all, bucket by bucket in random order, over at most `overMs` with jitter. `leaving` is called for the peers of each
   * bucket right after its GOAWAY: end their streams.
   */
  async drain(overMs: number, leaving: (peers: ReadonlySet<string>) => void): Promise<void> {
    const busy = this.#buckets.filter(({ sockets }) => sockets.size > 0);
    for (let at = busy.length - 1; at > 0; at--) {
      const other = Math.floor(this.#random() * (at + 1));
      const [a, b] = [busy[at], busy[other]];
      if (a !== undefined && b !== undefined) [busy[at], busy[other]] = [b, a];
    }
    const step = Math.min(overMs, this.size * STEP_MS) / Math.max(1, busy.length);
    for (const [at, bucket] of busy.entries()) {
      if (at > 0) await new Promise((next) => setTimeout(next, step * (0.5 + this.#random())));
      const peers = new Set<string>();
      for (const [peer, connection] of this.#byPeer) if (connection.bucket === bucket) peers.add(peer);
      bucket.injector.drain(GRACE_MS);
      leaving(peers);
    }
  }

  /** Resolves when all connections have ended, or after `ms`. */
  async gone(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.size > 0 && performance.now() < deadline) await new Promise((next) => setTimeout(next, 10));
  }

  destroy(): void {
    for (const { socket } of this.#byPeer.values()) socket.destroy();
    for (const { injector } of this.#buckets) injector.destroy();
  }
}
