/** What core and xDS workers say to each other over the channel, and children to their supervisor over the fork's own IPC. */
import type { DeliveryReport } from '../delta-xds/index.ts';
import type { HostPort, ServeConfig } from './config.ts';

/** One edge that a sidecar's question proved: `node` is the stream's identity, never anything the sidecar said of others. */
export interface ObservedEdge {
  readonly from: string;
  /** Canonical service port. */
  readonly to: string;
  readonly node: string;
}

/** A question of the admin API about streams. */
export type WorkerQuestion =
  | { readonly what: 'proxies' }
  | { readonly what: 'resources'; readonly node: string }
  /** What sessions hold of services; without `node`: all sessions. */
  | { readonly what: 'held'; readonly node?: string }
  /** Sessions that hold resources of these services. */
  | { readonly what: 'holders'; readonly services: readonly string[] }
  | { readonly what: 'counters' };

export type ToWorker =
  /** The read model has moved; the worker reads the journal itself. */
  | { readonly t: 'notice'; readonly epoch: number }
  /** All observed edges up to this number are in the log. */
  | { readonly t: 'took'; readonly upTo: number }
  | { readonly t: 'ask'; readonly id: number; readonly question: WorkerQuestion };

export type ToCore =
  | { readonly t: 'hello'; readonly worker: number; readonly pid: number; readonly xds: HostPort }
  /** All streams of this worker have seen the state of this epoch. */
  | { readonly t: 'applied'; readonly epoch: number }
  /** `upTo`: number to confirm them by, with `took`; what is not confirmed is sent to the next core again. */
  | { readonly t: 'observed'; readonly upTo: number; readonly edges: readonly ObservedEdge[] }
  | { readonly t: 'ledger'; readonly report: DeliveryReport }
  /** Every 200 ms: the worker's event loop turns. Nodes with a stream, and nodes that connected since the worker's start. */
  | { readonly t: 'alive'; readonly nodes?: number; readonly joined?: number }
  | { readonly t: 'answer'; readonly id: number; readonly body: unknown };

/** Supervisor to its children. */
export type ToChild =
  | { readonly t: 'start'; readonly config: ServeConfig; readonly worker: number }
  /** Comes with a socket: serve this connection. */
  | { readonly t: 'connection' }
  | { readonly t: 'stop' };

/** Children to their supervisor. */
export type FromChild =
  /** Its listener is there: a message sent earlier might be lost. */
  | { readonly t: 'listening' }
  | { readonly t: 'ready'; readonly address: HostPort }
  /** It could not start (locked, foreign, newer data; port in use). The first start fails with it; a later one is tried again. */
  | { readonly t: 'fatal'; readonly code: string; readonly message: string; readonly remedy: string | undefined }
  /** From the core: it was told to end (SIGTERM), and with it all of `serve`. */
  | { readonly t: 'terminate' }
  /** From the core: a worker that has been silent for 10 s. */
  | { readonly t: 'restart-worker'; readonly pid: number };
