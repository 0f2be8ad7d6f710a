/** Connections to the endpoints of one cluster, as a try sees them: HTTP/1.1 (connections.ts) or HTTP/2 (h2-pool.ts). */
import type { Dispatcher } from 'undici';
import type { CallEndpoint } from '../calls/index.ts';

/** A place on a connection, for one request. */
export interface Lease {
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandlers): void;
  /** The connection stands. */
  connected(): void;
  /** `reusable`: the exchange is complete. */
  release(reusable: boolean): void;
}

export interface ConnectionPool {
  /** Connections, those being opened too. */
  readonly open: number;
  /** Requests that wait for a connection. */
  readonly pending: number;
  /** Requests refused because `limits.pending` wait already, since the start. */
  readonly overflows: number;
  /** Calls `take` with a place on a connection, at once or later. Returns how to give up waiting. */
  acquire(endpoint: CallEndpoint, take: (lease: Lease) => void): (() => void) | 'overflow';
  /** Cuts all connections. */
  close(): Promise<void>;
}
