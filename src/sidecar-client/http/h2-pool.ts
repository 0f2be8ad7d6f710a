/**
 * Connections of one cluster, HTTP/2: as many requests on each as the server takes, another one when all are full. Limits as in Envoy:
 * `connections` for the cluster, but an endpoint without any always gets one; `perEndpoint`; `pending` requests may wait, be it for a
 * connection or for room on one; `requestsPerConnection`. Invariants:
 *  1. At most one connection to an endpoint is being opened at a time, and only while a request waits.
 *  2. When a connection can not be opened, and there is no other to that endpoint, all that wait for it fail as not connected.
 *  3. A connection whose endpoint has left the assignment serves what runs or waits, then it is closed.
 */
import type { CallEndpoint, UpstreamCluster } from '../calls/index.ts';
import { H2Connection, type H2Options } from './h2-connection.ts';
import { Exchange } from './h2-exchange.ts';
import type { ConnectionPool, Lease } from './pool.ts';

type Take = (lease: Lease) => void;

interface Place {
  readonly key: string;
  readonly connections: Set<H2Connection>;
  readonly waiting: Take[];
  gone: boolean;
}

const failedLease = (error: Error): Lease => ({
  dispatch: (_, handler) => handler.onError?.(error),
  connected: () => undefined,
  release: () => undefined,
});

export class H2Pool implements ConnectionPool {
  readonly #cluster: UpstreamCluster;
  readonly #timing: Pick<H2Options, 'pingMs' | 'pingWaitMs' | 'idleMs'>;
  readonly #places = new Map<string, Place>();
  readonly #forget: () => void;
  #open = 0;
  #pending = 0;
  #looking = false;
  #closed = false;
  overflows = 0;

  constructor(cluster: UpstreamCluster, timing: Pick<H2Options, 'pingMs' | 'pingWaitMs' | 'idleMs'> = {}) {
    this.#cluster = cluster;
    this.#timing = timing;
    this.#forget = cluster.onChange(() => this.#lookSoon());
  }

  get open(): number {
    return this.#open;
  }

  get pending(): number {
    return this.#pending;
  }

  acquire({ key }: CallEndpoint, take: Take): (() => void) | 'overflow' {
    for (const connection of this.#places.get(key)?.connections ?? [])
      if (connection.room > 0) {
        take(this.#lease(connection));
        return () => undefined;
      }
    if (this.#pending >= this.#cluster.maxPending) {
      this.overflows += 1;
      return 'overflow';
    }
    const place = this.#place(key);
    this.#pending += 1;
    place.waiting.push(take);
    this.#openFor(place);
    return () => {
      const index = place.waiting.indexOf(take);
      if (index < 0) return;
      place.waiting.splice(index, 1);
      this.#pending -= 1;
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#forget();
    const all = [...this.#places.values()].flatMap(({ connections }) => [...connections]);
    await Promise.all(all.map((connection) => connection.close()));
  }

  #place(key: string): Place {
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { key, connections: new Set(), waiting: [], gone: false };
      this.#places.set(key, place);
    }
    return place;
  }

  #openFor(place: Place): void {
    if (this.#closed || place.waiting.length === 0) return;
    const usable = [...place.connections].filter(({ spent }) => !spent);
    if (usable.some(({ stands }) => !stands)) return;
    const { maxConnections, maxConnectionsPerEndpoint, connectTimeoutMs, maxRequestsPerConnection } = this.#cluster;
    // One that takes no further request counts until it is closed.
    const { size } = place.connections;
    if (size > 0 && (this.#open >= maxConnections || size >= maxConnectionsPerEndpoint)) return;
    this.#open += 1;
    const connection: H2Connection = new H2Connection(
      { ...this.#timing, key: place.key, connectTimeoutMs, maxRequests: maxRequestsPerConnection },
      {
        changed: () => this.#serve(place),
        closed: (error) => this.#lost(place, connection, error),
      },
    );
    place.connections.add(connection);
  }

  #serve(place: Place): void {
    for (const connection of place.connections)
      while (connection.room > 0) {
        const take = place.waiting.shift();
        if (take === undefined) break;
        this.#pending -= 1;
        take(this.#lease(connection));
      }
    this.#openFor(place);
    if (place.gone && place.waiting.length === 0) for (const connection of place.connections) connection.drain();
  }

  #lost(place: Place, connection: H2Connection, error: Error | undefined): void {
    if (!place.connections.delete(connection)) return;
    this.#open -= 1;
    const others = [...place.connections].some(({ spent }) => !spent);
    if (!connection.stands && !others)
      for (const take of place.waiting.splice(0)) {
        this.#pending -= 1;
        take(failedLease(error ?? new Error('no connection')));
      }
    this.#openFor(place);
    if (place.connections.size === 0 && place.waiting.length === 0 && this.#places.get(place.key) === place)
      this.#places.delete(place.key);
  }

  #lease(connection: H2Connection): Lease {
    const giveBack = connection.reserve();
    let exchange: Exchange | undefined;
    return {
      dispatch: (options, handler) => {
        exchange = new Exchange(connection, options, handler, giveBack);
        exchange.start();
      },
      connected: () => undefined,
      // The place is free when the stream is closed.
      release: () => (exchange === undefined ? giveBack() : exchange.cancel()),
    };
  }

  /** Endpoints change in batches: one look for all of a turn. */
  #lookSoon(): void {
    if (this.#looking || this.#places.size === 0) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      // A port that speaks HTTP/1.1 now has connections of another kind.
      const endpoints = this.#cluster.protocol === 2 ? this.#cluster.endpoints() : [];
      const keys = new Set(endpoints.map(({ key }) => key));
      for (const place of [...this.#places.values()]) {
        place.gone = !keys.has(place.key);
        if (place.gone) this.#serve(place);
      }
    });
  }
}
