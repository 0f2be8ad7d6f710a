/** What the dependency graph reads and what it gives. Pure: no clock, no disk; times are those of the events. */
import type { ResolvedDependency, ServicePortSpec, Visibility } from '../model/index.ts';

/** Read access to the fold's state, for deriving a caller's set. */
export interface GraphLookup {
  service(name: string): GraphService | undefined;
  /** All registered services, ascending by name. */
  services(): Iterable<GraphService>;
  /** Effective Dependency of a caller: mesh < namespace < service. `caller` may be unregistered. */
  dependency(caller: string): ResolvedDependency;
  /** The same for callers without any record: of a namespace, or (undefined) of the mesh. */
  defaultDependency(namespace: string | undefined): ResolvedDependency;
}

export interface GraphService {
  /** `<service>.<namespace>` */
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly ServicePortSpec[];
  readonly labels: Readonly<Record<string, string>>;
  readonly visibility: Visibility;
}

export type EdgeOrigin = 'declared' | 'learned';
export type EdgeEvidence = 'subscribed' | 'observed';
/**
 * active, quiet (not used for half of its life), expiring (life is over, grace runs), expired: of learned edges, `life.ts`; dangling:
 * callee not registered.
 */
export type EdgeState = 'active' | 'quiet' | 'expiring' | 'expired' | 'dangling' | 'denied' | 'pinned';

/** What events said of caller -> callee. Declared edges of `Dependency` documents are derived, not stored. */
export interface EdgeRecord {
  readonly from: string;
  /** `<service>.<namespace>` or `<service>.<namespace>:<port>` */
  readonly to: string;
  /** Facets of `dependency.declared`: sources that declared it. */
  readonly declaredBy: readonly string[];
  readonly pinned: boolean;
  readonly denied: boolean;
  /** Sources whose last word was `dependency.pinned`, or `.denied`; absent when none (a source withdraws only its own). */
  readonly pinnedBy?: readonly string[];
  readonly deniedBy?: readonly string[];
  /** The learned part expired (`dependency.expired`) and was not used since. */
  readonly expired?: true;
  readonly evidence: readonly EdgeEvidence[];
  /** Identities that gave evidence: the first two (two or more pods: worth pre-warming for siblings). */
  readonly witnesses: readonly string[];
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** recordedAt of those events, ms. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  /** recordedAt of the last event that proves use (`observed`, `renewed`), ms; absent: none yet. */
  readonly usedAt?: number;
  /** How often it came back after it had expired; at most `MAX_RETURNED`. Absent: never. */
  readonly returned?: number;
}

/** Which edges `DependencyGraph.edges` gives. */
export interface EdgeQuery {
  /** Only edges within `depth` steps of this service or caller, in both directions. */
  readonly focus?: string;
  /** Default 1. */
  readonly depth?: number;
  readonly state?: string;
  /** Ages are as of this moment, ms since the epoch; without it no edge is quiet or expiring. */
  readonly now?: number;
  /** Default: all. */
  readonly limit?: number;
  /** Of all edges around `focus`, whatever `state`, `after` and `limit` leave of them: beyond it the walk ends with `GRAPH_TOO_LARGE`. Default: none. */
  readonly atMost?: number;
  /** `edgeKey` of the last edge of the page before. */
  readonly after?: string;
}

/** An edge as the outside sees it (API, CLI, why). */
export interface EdgeView {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly origin: EdgeOrigin | 'declared+learned';
  readonly state: EdgeState;
  readonly evidence: readonly EdgeEvidence[];
  /** Documents (`Dependency/ns/name`) or event sources that declare it. */
  readonly declaredBy: readonly string[];
  readonly firstOffset?: number;
  readonly lastOffset?: number;
  readonly firstSeen?: number;
  readonly lastSeen?: number;
  /** Last proven use, ms, as the log has it: up to an eighth of its life old. */
  readonly lastUsed?: number;
  /** When it expires if it is not used again and every holder reports use, ms; only of edges that can expire. */
  readonly expiresAt?: number;
}

/** What a caller's nodes hold without asking, and what they may not have: one record per caller in the read model. */
export interface CallerRecord {
  /** `<service>.<namespace>`, or `*.<namespace>` and `*` for callers without a record of their own. */
  readonly caller: string;
  /** Canonical service ports, sorted: declared, pinned and learned edges that are registered, visible and not denied. */
  readonly preload: readonly string[];
  /** Denied targets, sorted: `<service>.<namespace>` (all ports) or `<service>.<namespace>:<port>`. */
  readonly denied: readonly string[];
  /** Service ports of learned edges that have expired and that nothing else brings, sorted; absent: none. */
  readonly expired?: readonly string[];
  /** false: only declared edges; an unknown host is answered 404. */
  readonly learn: boolean;
  /** Declared TCP dependencies with a local port. */
  readonly tcp: readonly { readonly servicePort: string; readonly localPort: number }[];
}
