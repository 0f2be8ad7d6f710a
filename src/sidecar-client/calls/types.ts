/**
 * The words between the pure core of calls (routes, balancing, ejection, limits, retries) and what carries calls out: the dispatcher
 * of HTTP and the resolver and balancer of gRPC. The core reads no clock and no randomness: both come by argument.
 */
import type { ConfigSource } from '../config-source.ts';
import type { ResetWait } from './reset-headers.ts';

export interface CallEndpoint {
  /** IP literal; of a cluster whose endpoints are found by DNS: the host name. */
  readonly address: string;
  readonly port: number;
  /** `address:port`, IPv6 in brackets. Equal for the same place in every assignment. */
  readonly key: string;
  readonly weight: number;
  readonly region: string;
  readonly zone: string;
}

/** What a route is chosen by. */
export interface CallFacts {
  /** `host` or `host:port`, as called. */
  readonly authority: string;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Lower-case name -> value (several: joined with `,`); undefined: absent. */
  readonly header: (name: string) => string | undefined;
}

/** Times in ms; 0: none. */
export interface ChosenRoute {
  /** `Route.name`. */
  readonly name: string;
  readonly cluster: string;
  /** Whole request with retries. */
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly retry: RetryRules | undefined;
  /** Key of ringHash and maglev; undefined: none of its parts is there. */
  readonly hashKey: string | undefined;
}

export interface RetryRules {
  /** Tries after the first. */
  readonly attempts: number;
  /** Of one try; 0: none. */
  readonly perTryTimeoutMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** How long an answer asks to wait, in place of the back-off. */
  readonly askedWaitMs: ResetWait;
  /** Whether this end of a try may be tried again. */
  readonly retryable: (outcome: CallOutcome) => boolean;
}

/** How a try ended. */
export interface CallOutcome {
  /** `answered`: the response's head came; `connect`: no connection; `refused`: the stream was refused unprocessed; `reset`: cut after it was sent. */
  readonly end: 'answered' | 'connect' | 'refused' | 'reset' | 'timeout' | 'cancelled';
  /** HTTP status when answered. */
  readonly status?: number;
  /** gRPC status when known. */
  readonly grpcStatus?: number;
}

/** Why no endpoint was picked: `overflow`: a limit (requests, pending) is full; `no-endpoint`: none that may be used. */
export type PickRefusal = 'no-cluster' | 'no-endpoint' | 'overflow';

export interface Pick {
  readonly endpoint: CallEndpoint;
  /** To be called once, when the try has ended. */
  readonly release: (outcome: CallOutcome, nowMs: number) => void;
}

/** One cluster: its endpoints, load, ejections, limits, retry budget. */
export interface UpstreamCluster {
  readonly name: string;
  /** All endpoints of the assignment, with what keeps each from being picked. */
  endpoints(): readonly (CallEndpoint & { readonly healthy: boolean; readonly ejected: boolean })[];
  /** `avoid`: keys of endpoints tried before. */
  pick(hashKey: string | undefined, avoid: ReadonlySet<string> | undefined, nowMs: number): Pick | PickRefusal;
  /** Whether the retry budget allows one more try; if so it counts until the try's pick is released (`done`). */
  beginRetry(): { readonly done: () => void } | undefined;
  /** Connect time-out, ms; limits of connections for whoever keeps them. */
  readonly connectTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxPending: number;
  /** To one endpoint. Unlimited: 4294967295, as in all limits. */
  readonly maxConnectionsPerEndpoint: number;
  /** After so many requests a connection is closed. */
  readonly maxRequestsPerConnection: number;
  /** `1`: HTTP/1.1, `2`: HTTP/2 with prior knowledge. */
  readonly protocol: 1 | 2;
  /** Health of an endpoint changed, endpoints came or went. */
  onChange(listener: () => void): () => void;
  stats(): ClusterCallStats;
}

/** What a cluster counts. */
export interface ClusterCallStats {
  /** Calls that run, retries included. */
  readonly active: number;
  /** Retries that run. */
  readonly retries: number;
  /** Calls refused because `requests` ran already, since the start. */
  readonly overflows: number;
  /** Retries refused by the budget, since the start. */
  readonly retriesRefused: number;
  /** Ejections since the start. */
  readonly ejections: number;
  /** Endpoints that are ejected now. */
  readonly ejected: number;
}

export interface CallCore {
  /** Undefined: the authority is not answered, or no route matches. Asks nothing: `source.ready` first. */
  route(facts: CallFacts): ChosenRoute | undefined;
  /** Undefined: not held. Same object while it is held. */
  cluster(name: string): UpstreamCluster | undefined;
  /** Looks for ejections that are over; to be called at least every second while there are calls. */
  sweep(nowMs: number): void;
  close(): void;
}

export type CreateCallCore = (options: {
  readonly source: ConfigSource;
  /** [0, 1). */
  readonly random: () => number;
  /** Address that calls come from: the hash key `ip`. Default 127.0.0.1, which is what a sidecar sees of its application. */
  readonly sourceAddress?: string;
}) => CallCore;
