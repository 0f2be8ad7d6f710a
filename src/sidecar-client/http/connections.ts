/**
 * Connections of one cluster, HTTP/1.1: one request at a time on each. Limits as in Envoy: `connections` for the cluster, but an endpoint
 * without any always gets one; `perEndpoint`; `pending` requests may wait for a connection, be it busy or not yet there.
 * A connection whose endpoint has left the assignment serves what runs or waits, then it is closed.
 */
import { Client } from 'undici';
import type { CallEndpoint, UpstreamCluster } from '../calls/index.ts';
import type { ConnectionPool, Lease } from './pool.ts';

/** Idle connections are closed after so long, ms, or sooner when the server says so. */
const KEEP_ALIVE_MS = 60_000;

interface Place {
  readonly key: string;
  readonly idle: Connection[];
  readonly waiting: ((connection: Connection) => void)[];
  open: number;
  gone: boolean;
}

interface Connection {
  readonly client: Client;
  readonly place: Place;
  requests: number;
  connected: boolean;
  leased: boolean;
  closed: boolean;
}

export class Connections implements ConnectionPool {
  readonly #cluster: UpstreamCluster;
  readonly #places = new Map<string, Place>();
  readonly #forget: () => void;
  #open = 0;
  #pending = 0;
  #looking = false;
  overflows = 0;

  constructor(cluster: UpstreamCluster) {
    this.#cluster = cluster;
    this.#forget = cluster.onChange(() => this.#lookSoon());
  }

  get open(): number {
    return this.#open;
  }

  get pending(): number {
    return this.#pending;
  }

  acquire({ key }: CallEndpoint, take: (lease: Lease) => void): (() => void) | 'overflow' {
    const idle = this.#places.get(key)?.idle ?? [];
    for (let ready = idle.pop(); ready !== undefined; ready = idle.pop())
      if (!ready.closed) {
        take(this.#lease(ready, () => undefined));
        return () => undefined;
      }
    if (this.#pending >= this.#cluster.maxPending) {
      this.overflows += 1;
      return 'overflow';
    }
    const place = this.#place(key);
    this.#pending += 1;
    let open = true;
    const served = (): void => {
      if (open) this.#pending -= 1;
      open = false;
    };
    if (this.#mayOpen(place)) {
      take(this.#lease(this.#connect(place), served));
      return served;
    }
    const wait = (connection: Connection): void => take(this.#lease(connection, served));
    place.waiting.push(wait);
    return () => {
      served();
      const index = place.waiting.indexOf(wait);
      if (index >= 0) place.waiting.splice(index, 1);
    };
  }

  async close(): Promise<void> {
    this.#forget();
    const all = [...this.#clients];
    this.#clients.clear();
    await Promise.all(all.map((client) => client.destroy()));
  }

  readonly #clients = new Set<Client>();

  #place(key: string): Place {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { key, idle: [], waiting: [], open: 0, gone: false };
      this.#places.set(key, place);
    }
    return place;
  }

  #mayOpen(place: Place): boolean {
    if (place.open === 0) return true;
    return this.#open < this.#cluster.maxConnections && place.open < this.#cluster.maxConnectionsPerEndpoint;
  }

  #connect(place: Place): Connection {
    const client = new Client(`http://${place.key}`, {
      pipelining: 1,
      connectTimeout: this.#cluster.connectTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const connection: Connection = { client, place, requests: 0, connected: false, leased: true, closed: false };
    this.#clients.add(client);
    this.#open += 1;
    place.open += 1;
    client.on('disconnect', () => {
      connection.connected = false;
      if (!connection.leased) this.#drop(connection);
    });
    return connection;
  }

  #lease(connection: Connection, served: () => void): Lease {
    connection.leased = true;
    connection.requests += 1;
    if (connection.connected) served();
    let held = true;
    // The last request of a connection says so to the server.
    const last = connection.requests >= this.#cluster.maxRequestsPerConnection;
    return {
      dispatch: (options, handler) =>
        void connection.client.dispatch(
          { ...options, origin: `http://${connection.place.key}`, ...(last ? { reset: true } : {}) },
          handler,
        ),
      connected: () => {
        connection.connected = true;
        served();
      },
      release: (reusable) => {
        if (!held) return;
        held = false;
        served();
        connection.leased = false;
        this.#next(connection, reusable);
      },
    };
  }

  #next(connection: Connection, reusable: boolean): void {
    const { place } = connection;
    const spent = !reusable || connection.requests >= this.#cluster.maxRequestsPerConnection;
    const wait = place.waiting.shift();
    // Opened before the spent one is dropped: a place without connections is forgotten, with what it counts.
    const next = wait !== undefined && spent ? this.#connect(place) : connection;
    if (spent || (place.gone && wait === undefined)) this.#drop(connection);
    else if (wait === undefined) place.idle.push(connection);
    wait?.(next);
  }

  #drop(connection: Connection): void {
    if (connection.closed) return;
    connection.closed = true;
    const { place, client } = connection;
    const index = place.idle.indexOf(connection);
    if (index >= 0) place.idle.splice(index, 1);
    this.#open -= 1;
    place.open -= 1;
    if (place.open === 0 && place.waiting.length === 0 && this.#places.get(place.key) === place)
      this.#places.delete(place.key);
    this.#clients.delete(client);
    client.destroy().catch(() => undefined);
  }

  /** Endpoints change in batches: one look for all of a turn. */
  #lookSoon(): void {
    if (this.#looking || this.#places.size === 0) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      // A port that speaks HTTP/2 now has connections of another kind.
      const endpoints = this.#cluster.protocol === 1 ? this.#cluster.endpoints() : [];
      const keys = new Set(endpoints.map(({ key }) => key));
      for (const place of this.#places.values()) {
        place.gone = !keys.has(place.key);
        if (place.gone) for (const idle of [...place.idle]) this.#drop(idle);
      }
    });
  }
}
