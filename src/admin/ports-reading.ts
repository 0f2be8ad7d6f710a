/** Ports for what is read: log, folded state, graph, sidecars. */
import type {
  EventStatus,
  Finding,
  RecordedEvent,
  ResolvedDependency,
  ResolvedRoute,
  ResolvedUpstream,
  ServicePortSpec,
} from '../model/index.ts';

/** One record of the log; `LogRecord` fits. */
export interface LogRecordView {
  readonly offset: number;
  readonly recordedAt: number;
  readonly event: RecordedEvent | undefined;
  readonly unreadable?: string;
  /** As stored. */
  readonly bytes: Uint8Array;
}

export interface ReadOptions {
  /** First offset wanted. */
  readonly from: number;
  readonly signal?: AbortSignal;
  readonly maxBatch?: number;
}

/** Why an event was not applied; `FoldOutcome` fits. */
export interface OutcomeView {
  readonly status: EventStatus;
  readonly code?: string;
  readonly message?: string;
  readonly findings?: readonly Finding[];
  readonly duplicateOf?: number;
}

export interface EventsPort {
  /** Of the log; `first`: smallest offset that can still be read. */
  head(): { readonly offset: number; readonly first: number };
  read(options: ReadOptions): AsyncIterable<readonly LogRecordView[]>;
  follow(options: ReadOptions): AsyncIterable<readonly LogRecordView[]>;
  /** Outcome of a record; undefined: the fold has not settled it yet. */
  outcomeOf(offset: number): OutcomeView | undefined;
  /** Resolves when the fold has settled `offset`, or after `timeoutMs`. */
  settled(offset: number, timeoutMs: number): Promise<unknown>;
}

/** The history index of the state. */
export interface HistoryPort {
  /**
   * Offsets up to `upTo` whose events may be of this subject, ascending, as far as the fold has settled them. The index keeps
   * hashes: compare the event's subject.
   */
  offsetsOf(subject: string, upTo: number): readonly number[];
}

/** `PolicyEntity` of the fold fits. */
export interface DocumentView {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly offset: number;
  readonly source: string;
  readonly reason?: string;
  readonly file?: string;
  readonly line?: number;
  readonly recordedAt: number;
  readonly document: Readonly<Record<string, unknown>>;
}

/** `ServiceView` of compile fits. */
export interface ServiceView {
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly ServicePortSpec[];
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly {
    readonly name: string;
    readonly methods?: readonly string[];
    readonly port?: number;
  }[];
  readonly externalHosts: readonly string[];
  readonly visibility: string | readonly string[];
  readonly defaultPort: number | undefined;
}

export interface EndpointView {
  readonly id: string;
  readonly health?: 'healthy' | 'unhealthy' | 'draining';
}

export interface FacetView {
  readonly source: string;
  readonly rank: number;
  readonly offset: number;
  readonly recordedAt: number;
}

/** A state that can be read: the folded one, or an earlier one (`StateThen` of the projector fits). */
export interface StateView {
  /** Offset up to which the state is complete. */
  readonly offset: number;
  /** Of an earlier state some may not have been registered: `service` tells. */
  serviceNames(): Iterable<string>;
  service(name: string): ServiceView | undefined;
  /** Highest rank first. */
  serviceFacets(name: string): readonly FacetView[];
  endpoint(service: string, id: string): EndpointView | undefined;
  endpointCount(service: string): number;
  /** Ascending by key (`Kind/namespace/name`). Those up to `after` need not be given: an earlier state does not read them then. */
  policies(kind?: string, after?: string): Iterable<DocumentView>;
  policy(kind: string, namespace: string, name: string): DocumentView | undefined;
  readonly compileInputs: {
    /** Endpoints as served, in blocks. */
    endpoints(service: string): readonly { endpoints(): readonly EndpointView[] }[];
    route(service: string, port: number): ResolvedRoute;
    upstream(service: string, port: number): ResolvedUpstream;
  };
  readonly graphLookup: { dependency(caller: string): ResolvedDependency };
  /** Raw resources of an earlier state. */
  readonly raws?: RawPort;
}

/** How many entities of each kind there are. */
export type StateCounts = Readonly<
  Record<'services' | 'endpoints' | 'documents' | 'callers' | 'edges' | 'raw', number>
>;

/** The folded state; `FoldState` fits. */
export interface StatePort extends StateView {
  readonly entityCounts: StateCounts;
  /** Offset of the last event applied to a subject (0: none). */
  subjectOffset(subject: string): number;
}

/** A raw resource as it was put. */
export interface RawView {
  /** Absent: for every node. */
  readonly node?: string;
  readonly typeUrl: string;
  readonly name: string;
  /** Of the last `resource.put` of it. */
  readonly offset: number;
  readonly source: string;
  readonly recordedAt: number;
  readonly reason?: string;
}

export interface RawPort {
  /**
   * The raw resource that a node is sent under this name in place of a compiled one: its own, else that of every node.
   * @param type short name, or the type URL of a type that has none
   */
  resource(node: string, type: string, name: string): RawView | undefined;
}

/** Proof of a state; `StateProof` of the projector fits. */
export interface ProofView {
  readonly offset: number;
  readonly hash: string;
  readonly foldVersion: number;
}

/** `EdgeView` of the dependency graph fits. */
export interface EdgeView {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly origin: string;
  readonly state: string;
  readonly evidence: readonly string[];
  readonly declaredBy: readonly string[];
  readonly firstOffset?: number;
  readonly lastOffset?: number;
  readonly firstSeen?: number;
  readonly lastSeen?: number;
  /** Last known use, ms since the epoch. */
  readonly lastUsed?: number;
  /** When it expires if it is not used again and every holder reports use, ms; only of edges that can expire. */
  readonly expiresAt?: number;
  /** Requests per second, an average over about a minute; absent: not used lately. */
  readonly rate?: number;
  /** Of those, the share that failed, 0 to 1. */
  readonly errorRate?: number;
}

export interface EdgeQuery {
  readonly focus?: string;
  readonly depth?: number;
  readonly state?: string;
  /** Time that states are told for, ms. */
  readonly now?: number;
  readonly limit?: number;
  /** Edges around `focus`; beyond it the walk ends with `GRAPH_TOO_LARGE`. */
  readonly atMost?: number;
  /** `<from>|<to>[:port]` of the last edge of the page before. */
  readonly after?: string;
  /** Without rates and uses that are not in the log: what can be told again later. */
  readonly asLogged?: boolean;
}

/** `DependencyGraph` fits. */
export interface GraphPort {
  edges(query: EdgeQuery): readonly EdgeView[];
  /** Edges of one caller alone, ascending by target. */
  edgesOf(caller: string, now?: number): readonly EdgeView[];
}

/** Of the streams of the graph; counted by the API, told in the metrics. */
export interface GraphStreamCounters {
  /** Edges in the documents of open streams. */
  edges: number;
  /** Snapshots and patches sent; streams ended because their reader took nothing; streams refused or ended at a bound. */
  snapshots: number;
  patches: number;
  slow: number;
  refused: number;
}

/** When the graph changes, and moments in which it can be read whole; the projector fits. */
export interface GraphChangesPort {
  readonly counters: GraphStreamCounters;
  /** Calls `look`, soon, in a moment when the graph is that of the offset it is given. */
  atRest(look: (offset: number) => void): void;
  /** Gives the function that ends it. */
  onGraphChange(listener: () => void): () => void;
}

/** One connected (or lately connected) sidecar. */
export interface ProxyView {
  /** `node.id`. */
  readonly id: string;
  /** `<service>.<namespace>` of the caller. */
  readonly service: string;
  /** `in-sync`: all sent is acknowledged · `pending` · `refused`: a resource was rejected · `offline`. */
  readonly state: 'in-sync' | 'pending' | 'refused' | 'offline';
  /** Resources it holds. */
  readonly holds: number;
  /** ms since the epoch. */
  readonly connectedAt?: number;
  readonly lastAckAt?: number;
  readonly lastSentAt?: number;
  /** Bytes of resources sent on its streams. */
  readonly bytes?: number;
  readonly streams?: number;
  readonly worker?: number;
  /** It says itself which services it needs: it holds some without an edge. */
  readonly needs?: true;
  /** Offset of the state that its worker serves. */
  readonly offset?: number;
  /** More facts of the node: endpoint, region, zone, version, … */
  readonly [more: string]: unknown;
}

/** One resource that a sidecar holds or was sent: an entry of the delivery ledger. */
export interface ResourceView {
  /** `cds`, `eds`, `lds`, `rds`, `vhds`. */
  readonly type: string;
  readonly name: string;
  readonly version?: string;
  readonly state: 'acked' | 'sent' | 'refused' | 'removed';
  readonly bytes?: number;
  /** ms since the epoch. */
  readonly sentAt?: number;
  readonly ackedAt?: number;
  /** Envoy's words when it refused. */
  readonly error?: string;
  /** Offset of the state it was made from. */
  readonly offset?: number;
  readonly [more: string]: unknown;
}

/** A connected sidecar that holds resources of some services. */
export interface HolderView {
  /** `node.id`. */
  readonly id: string;
  /** `<service>.<namespace>` of the sidecar. */
  readonly service: string;
  /** Service ports of which it holds something, ascending. */
  readonly ports: readonly string[];
  /** Resources of them that it holds, and those that it refuses as of now. */
  readonly resources: number;
  readonly refused: number;
  /** Assignments (EDS) of them that it has not acknowledged as they are now, and does not refuse. */
  readonly pending: number;
}

/** What sidecars hold against a full mesh; see `GET /v1/proxies?savings=1`. */
export interface SavingsView {
  readonly sidecars: number;
  readonly resources: number;
  readonly bytes: number;
  readonly fullResources: number;
  readonly fullBytes: number;
  /** `bytes` / `fullBytes`. */
  readonly ratio: number;
  readonly pushedBytes: number;
  readonly fullPushedBytes: { readonly change: number; readonly connect: number };
  /** Not all workers answered in time: there is more. */
  readonly complete?: false;
}

/** Sessions of all workers and the delivery ledger. */
export interface ProxiesPort {
  /** Sidecars that hold a resource of one of these services, ascending by id; `complete`: all workers answered in time. */
  holders(
    services: readonly string[],
  ): Promise<{ readonly holders: readonly HolderView[]; readonly complete: boolean }>;
  /** `savings`: with what each holds against a full mesh, which costs a walk over all that sidecars hold. */
  list(options?: {
    readonly savings?: boolean;
  }): Promise<{ readonly proxies: readonly ProxyView[]; readonly complete: boolean }>;
  /** All sidecars together. */
  savings(): Promise<SavingsView>;
  get(id: string, options?: { readonly savings?: boolean }): Promise<ProxyView | undefined>;
  resources(id: string): Promise<readonly ResourceView[]>;
}
