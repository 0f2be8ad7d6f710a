/**
 * Accepted connections: bounds in all and per address, time-outs of those that open no stream, and the groups in which they are sent
 * away when the server drains.
 */

import type { Socket } from 'node:net';
import { Admission } from './admission.ts';
import { Deadlines } from './deadlines.ts';
import type { TransportLimits } from './limits.ts';
import { type ConnectionHooks, GROUPS, type Transport } from './transport.ts';

/** A connection's GOAWAY comes this much after the one before it, at most, ms. */
const STEP_MS = 5;
/** After GOAWAY a connection has this long to end by itself, ms. */
const GRACE_MS = 1_000;
/** HTTP/2 begins with 24 bytes and the header of a SETTINGS frame. */
const PREFACE_BYTES = 33;

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  readonly group: number;
  readonly transport: Transport;
  /** Streams open. */
  streams: number;
}

export interface ConnectionCounters {
  accepted: number;
  /** Closed at once: too many in all, or of their address. */
  refused: number;
  /** Closed: said nothing that begins HTTP/2; opened no first stream; opened no other stream for long. */
  handshakesLate: number;
  idle: number;
}

export class Connections implements ConnectionHooks {
  readonly #limits: TransportLimits;
  readonly #random: () => number;
  readonly #byPeer = new Map<string, Connection>();
  readonly #perAddress = new Map<string, number>();
  readonly #perGroup = new Uint32Array(GROUPS);
  readonly #handshakes: Deadlines<Connection>;
  readonly #firstStreams: Deadlines<Connection>;
  readonly #idle: Deadlines<Connection>;
  readonly #admission: Admission<Connection>;
  #next = 0;
  #draining = false;
  readonly counters: ConnectionCounters = { accepted: 0, refused: 0, handshakesLate: 0, idle: 0 };

  /** `clock`: ms, monotonic. `random`: [0, 1). `isBusy`: many requests wait in line. */
  constructor(limits: TransportLimits, clock: () => number, random: () => number, isBusy?: () => boolean) {
    this.#limits = limits;
    this.#random = random;
    // A process that was busy has not read what came in time: everything that is there is read before the second look.
    const late = (counter: 'idle' | 'handshakesLate', isLate: (connection: Connection) => boolean) => {
      const look = (connection: Connection): void => {
        if (connection.socket.destroyed || !isLate(connection)) return;
        this.counters[counter]++;
        connection.socket.destroy();
      };
      return (connection: Connection): void => {
        if (isLate(connection)) setImmediate(look, connection);
      };
    };
    const idle = late('idle', ({ streams }) => streams === 0);
    this.#handshakes = new Deadlines(
      limits.handshakeMs,
      clock,
      late('handshakesLate', ({ socket }) => socket.bytesRead < PREFACE_BYTES),
    );
    this.#firstStreams = new Deadlines(limits.firstStreamMs, clock, idle);
    this.#idle = new Deadlines(limits.idleMs, clock, idle);
    this.#admission = new Admission(clock, (connection) => this.#begin(connection), isBusy);
  }

  get size(): number {
    return this.#byPeer.size;
  }

  /** Accepted, and waiting unread until those before them have begun. */
  get waiting(): number {
    return this.#admission.waiting;
  }

  /** Takes over an accepted socket and gives it to `transport`, or closes it at a bound. A paused one may wait for its turn. */
  accept(socket: Socket, transport: Transport): void {
    const address = socket.remoteAddress;
    // Gone already; or of a server that leaves: it would miss its GOAWAY.
    if (address === undefined || this.#draining) {
      socket.destroy();
      return;
    }
    const count = this.#perAddress.get(address) ?? 0;
    if (this.#byPeer.size >= this.#limits.connections || count >= this.#limits.connectionsPerAddress) {
      this.counters.refused++;
      socket.destroy();
      return;
    }
    this.counters.accepted++;
    this.#perAddress.set(address, count + 1);
    const peer = `${address}:${socket.remotePort ?? 0}`;
    const connection: Connection = { socket, address, group: this.#next++ % GROUPS, transport, streams: 0 };
    this.#byPeer.set(peer, connection);
    this.#perGroup[connection.group] = (this.#perGroup[connection.group] ?? 0) + 1;
    socket.setNoDelay(true);
    socket.once('close', () => this.#gone(peer, connection));
    if (socket.isPaused()) this.#admission.enter(connection);
    else this.#begin(connection);
  }

  #begin(connection: Connection): void {
    const { socket, transport, group } = connection;
    // Its time begins here: that it waited was not its fault.
    this.#handshakes.add(connection);
    this.#firstStreams.add(connection);
    transport.serve(socket, group);
    socket.resume();
  }

  #gone(peer: string, connection: Connection): void {
    const { address, group } = connection;
    this.#admission.leave(connection);
    this.#handshakes.delete(connection);
    this.#firstStreams.delete(connection);
    this.#idle.delete(connection);
    this.#perGroup[group] = (this.#perGroup[group] ?? 1) - 1;
    if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }

  opened(peer: string): void {
    const connection = this.#byPeer.get(peer);
    if (connection === undefined) return;
    if (connection.streams++ > 0) return;
    this.#admission.leave(connection);
    this.#handshakes.delete(connection);
    this.#firstStreams.delete(connection);
    this.#idle.delete(connection);
  }

  closed(peer: string): void {
    const connection = this.#byPeer.get(peer);
    if (connection !== undefined && --connection.streams === 0) this.#idle.add(connection);
  }

  reset(peer: string): void {
    this.#byPeer.get(peer)?.socket.destroy();
  }

  /**
   * GOAWAY to all, group by group in random order, over at most `overMs` with jitter. `leaving` is called for the peers of each
   * group right after its GOAWAY: end their streams. What waits for its turn, or comes now, is closed.
   */
  async drain(transport: Transport, overMs: number, leaving: (peers: ReadonlySet<string>) => void): Promise<void> {
    this.#draining = true;
    for (const { socket } of this.#admission.stop()) socket.destroy();
    const busy = [...this.#perGroup.keys()].filter((group) => (this.#perGroup[group] ?? 0) > 0);
    for (let at = busy.length - 1; at > 0; at--) {
      const other = Math.floor(this.#random() * (at + 1));
      const [a, b] = [busy[at], busy[other]];
      if (a !== undefined && b !== undefined) [busy[at], busy[other]] = [b, a];
    }
    const step = Math.min(overMs, this.size * STEP_MS) / Math.max(1, busy.length);
    for (const [at, group] of busy.entries()) {
      if (at > 0) await new Promise((next) => setTimeout(next, step * (0.5 + this.#random())));
      const peers = new Set<string>();
      for (const [peer, connection] of this.#byPeer) if (connection.group === group) peers.add(peer);
      transport.drain(group, GRACE_MS);
      leaving(peers);
    }
  }

  /** Resolves when all connections have ended, or after `ms`. */
  async gone(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.size > 0 && performance.now() < deadline) await new Promise((next) => setTimeout(next, 10));
  }

  destroy(): void {
    this.#admission.stop();
    for (const { socket } of this.#byPeer.values()) socket.destroy();
    this.#handshakes.close();
    this.#firstStreams.close();
    this.#idle.close();
  }
}
