/**
 * What the HTTP API needs from the rest of Tendril. Admin imports only the model; the runtime assigns ingest, log, fold, graph,
 * session registry and ledger to these ports, most of them as they are.
 */
import type {
  EventStatus,
  Finding,
  RecordedEvent,
  ResolvedDependency,
  ResolvedRoute,
  ResolvedUpstream,
  ServicePortSpec,
} from '../model/index.ts';

// --- writing -------------------------------------------------------------------------------------------------------------

export interface Place {
  readonly pointer?: string;
  readonly file?: string;
  readonly line?: number;
}

export interface Submission {
  readonly events: readonly unknown[];
  readonly caller: string;
  readonly wait?: 'folded' | 'applied';
  readonly timeoutMs?: number;
  readonly place?: (index: number) => Place;
}

export interface EventAnswer {
  readonly offset: number;
  readonly status: EventStatus | 'pending';
  readonly code?: string;
  readonly message?: string;
}

export interface SubmitAnswer {
  readonly result: 'applied' | 'rejected' | 'pending';
  readonly offsets: readonly number[];
  readonly events: readonly EventAnswer[];
  readonly findings: readonly Finding[];
}

/** `Ingest` fits. */
export interface IngestPort {
  submit(submission: Submission): Promise<SubmitAnswer>;
}

export interface WriteOptions {
  readonly caller: string;
  readonly reason?: string;
  readonly wait?: 'folded' | 'applied';
  readonly timeoutMs?: number;
  readonly dryRun?: boolean;
}

export interface DocumentRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface WriteAnswer extends SubmitAnswer {
  readonly results: readonly { readonly document: string; readonly action: string; readonly offset: number }[];
  readonly dryRun: boolean;
}

/** `DocumentSet` of ingest fits. */
export interface DocumentSet {
  readonly documents: readonly {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly document: Readonly<Record<string, unknown>>;
  }[];
  readonly findings: readonly Finding[];
}

/** `documentGateway` of ingest fits: its reader of texts beside `DocumentGateway`. */
export interface DocumentsPort {
  ofText(text: string, options: { readonly file?: string }): Promise<DocumentSet>;
  ofJson(value: unknown, options: { readonly file?: string }): Promise<DocumentSet>;
  apply(set: DocumentSet, options: WriteOptions & { readonly prune?: string }): Promise<WriteAnswer>;
  put(ref: DocumentRef, set: DocumentSet, options: WriteOptions & { readonly expect?: number }): Promise<WriteAnswer>;
  delete(ref: DocumentRef, options: WriteOptions & { readonly expect?: number }): Promise<WriteAnswer>;
  patch(
    ref: DocumentRef,
    patch: readonly unknown[],
    options: WriteOptions & { readonly expect?: number },
  ): Promise<WriteAnswer>;
}

// --- reading -------------------------------------------------------------------------------------------------------------

/** One record of the log; `LogRecord` fits. */
export interface LogRecordView {
  readonly offset: number;
  readonly recordedAt: number;
  readonly event: RecordedEvent | undefined;
  readonly unreadable?: string;
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
  readonly interfaces: readonly unknown[];
  readonly externalHosts: readonly string[];
  readonly visibility: string | readonly string[];
  readonly defaultPort: number | undefined;
}

export interface EndpointView {
  readonly id: string;
}

export interface FacetView {
  readonly source: string;
  readonly rank: number;
  readonly offset: number;
  readonly recordedAt: number;
}

/** The folded state; `FoldState` fits. */
export interface StatePort {
  /** Offset up to which the state is complete. */
  readonly offset: number;
  serviceNames(): Iterable<string>;
  service(name: string): ServiceView | undefined;
  /** Highest rank first. */
  serviceFacets(name: string): readonly FacetView[];
  endpoint(service: string, id: string): EndpointView | undefined;
  endpointCount(service: string): number;
  /** Offset of the last event applied to a subject (0: none). */
  subjectOffset(subject: string): number;
  policies(kind?: string): Iterable<DocumentView>;
  policy(kind: string, namespace: string, name: string): DocumentView | undefined;
  readonly compileInputs: {
    /** Endpoints as served, in blocks. */
    endpoints(service: string): readonly { endpoints(): readonly EndpointView[] }[];
    route(service: string, port: number): ResolvedRoute;
    upstream(service: string, port: number): ResolvedUpstream;
  };
  readonly graphLookup: { dependency(caller: string): ResolvedDependency };
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
}

export interface EdgeQuery {
  readonly focus?: string;
  readonly depth?: number;
  readonly state?: string;
  readonly limit?: number;
  /** `<from>|<to>[:port]` of the last edge of the page before. */
  readonly after?: string;
}

/** `DependencyGraph` fits. */
export interface GraphPort {
  edges(query: EdgeQuery): readonly EdgeView[];
  dependents(service: string): readonly string[];
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

/** Sessions of all workers and the delivery ledger. */
export interface ProxiesPort {
  list(): Promise<readonly ProxyView[]>;
  get(id: string): Promise<ProxyView | undefined>;
  resources(id: string): Promise<readonly ResourceView[]>;
}

// --- health and metrics ----------------------------------------------------------------------------------------------------

export interface HealthPart {
  /** `log`, `projector`, `dir`, `disk`, `workers`, … */
  readonly name: string;
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
  readonly findings?: readonly Finding[];
  readonly [more: string]: unknown;
}

export interface HealthPort {
  parts(): readonly HealthPart[];
  /** `reasons`: what is missing when not ready. */
  ready(): { readonly ready: boolean; readonly offset: number; readonly reasons: readonly string[] };
}

/** One metric with its samples, in the words of Prometheus. */
export interface MetricFamily {
  /** `tendril_…` with the unit in the name. */
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly samples: readonly {
    /** `_bucket`, `_sum`, `_count` of histograms. */
    readonly suffix?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

export interface MetricsPort {
  collect(): readonly MetricFamily[] | Promise<readonly MetricFamily[]>;
}

/** What the API writes to a logger; a pino logger fits. */
export interface AdminLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AdminPorts {
  readonly ingest: IngestPort;
  readonly documents: DocumentsPort;
  readonly events: EventsPort;
  readonly state: StatePort;
  /** Of the newest commit; undefined before the first one. */
  readonly proof: () => ProofView | undefined;
  readonly graph: GraphPort;
  readonly proxies: ProxiesPort;
  readonly health: HealthPort;
  readonly metrics: MetricsPort;
}
