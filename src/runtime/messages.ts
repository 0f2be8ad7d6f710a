/** What core and xDS workers say to each other over the channel, and children to their supervisor over the fork's own IPC. */
import type { DeliveryReport } from '../delta-xds/index.ts';
import type { UseReport } from '../telemetry/index.ts';
import type { HostPort, ServeConfig } from './config.ts';

export type { EdgeUse, UseReport } from '../telemetry/index.ts';

/** One edge that a sidecar's question proved: `node` is the stream's identity, never anything the sidecar said of others. */
export interface ObservedEdge {
  readonly from: string;
  /** Canonical service port. */
  readonly to: string;
  readonly node: string;
  /** Named again by a node that holds it: no use. */
  readonly held?: true;
}

/** Connected nodes of one caller, for whoever decides whether silence of an edge means anything. */
export interface HolderRow {
  /** `<service>.<namespace>` */
  readonly caller: string;
  readonly nodes: number;
  /** Of them such as do not report use, or of whose reports something was dropped lately. */
  readonly silent: number;
  /** Node ids that have come since the last question and brought resources with them: what they used before is not known. */
  readonly arrived: readonly string[];
  /** Node ids that have left since the last question. */
  readonly departed: readonly string[];
}

/** Nodes with long streams, as the access logs that reach one worker tell: ms, -1 where it is not known; undefined: nothing is known. */
export interface LongStatement {
  readonly nodes: readonly (readonly [node: string, ms: number])[] | undefined;
}

/** What the streams of use that reach one worker say of nodes; their xDS streams may be at another one. */
export interface Reporting {
  /** Something of them was dropped unread lately: their silence means nothing. */
  readonly lost: readonly string[];
  /** They send load reports. */
  readonly loads: readonly string[];
}

/** A question of the admin API about streams, or of the keeper of edges about nodes. */
export type WorkerQuestion =
  | { readonly what: 'proxies' }
  | { readonly what: 'resources'; readonly node: string }
  /** What sessions hold of services; without `node`: all sessions. */
  | { readonly what: 'held'; readonly node?: string }
  /** Sessions that hold resources of these services. */
  | { readonly what: 'holders'; readonly services: readonly string[] }
  | { readonly what: 'counters' }
  /** Answered with `Reporting`. */
  | { readonly what: 'reporting' }
  /** Answered with `HolderRow[]`; `elsewhere`: what the other workers know of nodes whose xDS stream may be here. */
  | { readonly what: 'presence'; readonly elsewhere?: Reporting };

export type ToWorker =
  /** The read model has moved; the worker reads the journal itself. */
  | { readonly t: 'notice'; readonly epoch: number }
  /** All observed edges up to this number are in the log. */
  | { readonly t: 'took'; readonly upTo: number }
  /** The report of uses with this number is taken. */
  | { readonly t: 'used'; readonly upTo: number }
  /** What another worker said. */
  | { readonly t: 'long'; readonly worker: number; readonly statement: LongStatement }
  | { readonly t: 'ask'; readonly id: number; readonly question: WorkerQuestion };

export type ToCore =
  | { readonly t: 'hello'; readonly worker: number; readonly pid: number; readonly xds: HostPort }
  /** All streams of this worker have seen the state of this epoch. */
  | { readonly t: 'applied'; readonly epoch: number }
  /** `upTo`: number to confirm them by, with `took`; what is not confirmed is sent to the next core again. */
  | { readonly t: 'observed'; readonly upTo: number; readonly edges: readonly ObservedEdge[] }
  /**
   * Uses since the last one; confirmed with `used`, and then the next one comes. What is not confirmed is told again, so a use may be
   * counted twice, and is never lost with a core.
   */
  | { readonly t: 'use'; readonly upTo: number; readonly report: UseReport }
  /** To be passed on to the other workers. */
  | { readonly t: 'long'; readonly statement: LongStatement }
  | { readonly t: 'ledger'; readonly report: DeliveryReport }
  /** Every 200 ms: the worker's event loop turns. Nodes with a stream, and nodes that connected since the worker's start. */
  | { readonly t: 'alive'; readonly nodes?: number; readonly joined?: number }
  | { readonly t: 'answer'; readonly id: number; readonly body: unknown };

/** Supervisor to its children. */
export type ToChild =
  /** `again`: it replaces one that has run. */
  | { readonly t: 'start'; readonly config: ServeConfig; readonly worker: number; readonly again: boolean }
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
  /** From the core: this replica is not to serve any sidecar any more. */
  | { readonly t: 'out-of-service'; readonly why: string }
  /** From the core: a worker that has been silent for 10 s. */
  | { readonly t: 'restart-worker'; readonly pid: number };
