/**
 * Door between the fold (pure, in memory) and the projector that stores what it gives.
 *
 * Entity keys: `mesh` · `svc/<service>.<namespace>` · `eps/<service>.<namespace>/<block>` · `pol/<Kind>/<namespace>/<name>` ·
 * `edges/<caller>` · `keeper/<keeper>` · `replica/<id>` · `lease/<leaseKey>` · `raw/<rawKey>` · `rawset/<rawSetKey>`. Input keys (what derivations read): `mesh` · `svc:<service>.<namespace>` · `eps:<service>.<namespace>` ·
 * `doc:<Kind>|<scope>` (scope as `scopeKey` of the model gives it) · `edges:<caller>` · `raw:<rawKey>` · `rawset:<rawSetKey>` (its label).
 */
import type { CompileInputs, EndpointView, ServiceView } from '../../compile/index.ts';
import type { EdgeList, GraphLookup } from '../../dependency-graph/index.ts';
import type { LogRecord } from '../../log/index.ts';
import type { FoldOutcome } from '../types.ts';
import type { RawEntity } from './raw-entity.ts';
import type { StateCounts } from './state-tally.ts';

export type { RawEntity, StateCounts };

/** What is served of an endpoint, at the last drain and now; undefined: nothing. */
export interface EndpointChange {
  readonly before: EndpointView | undefined;
  readonly after: EndpointView | undefined;
}

/** Changes since the last `drain`: what must be stored and what must be derived again. */
export interface FoldChanges {
  /** Entity key -> canonical bytes; undefined when the entity is gone. */
  readonly entities: ReadonlyMap<string, Uint8Array | undefined>;
  readonly inputs: ReadonlySet<string>;
  /** `<service>.<namespace>|<endpoint id>` of endpoint records that changed, appeared or vanished. */
  readonly endpoints: ReadonlyMap<string, EndpointChange>;
  /** Packed idempotency entries of the events folded since then (opaque; given back to `loadIdempotency`). */
  readonly idempotency: Uint8Array;
}

/** A sidecar refused a resource that this document shaped (`policy.refused`). */
export interface PolicyRefusal {
  /** Offset of the document's version that the sidecar refused. */
  readonly offset: number;
  readonly author: string;
  readonly node: string;
  readonly typeUrl: string;
  readonly resource: string;
  readonly version: string;
  readonly message: string;
  readonly recordedAt: number;
}

/** A policy document as the fold keeps it. */
export interface PolicyEntity {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Offset of the last event applied to it. */
  readonly offset: number;
  readonly source: string;
  readonly reason?: string;
  readonly file?: string;
  readonly line?: number;
  readonly recordedAt: number;
  readonly document: Readonly<Record<string, unknown>>;
  /** The latest 16 refusals since the document was last applied, newest first; absent: none. */
  readonly refusals?: readonly PolicyRefusal[];
}

/** What each source said of a service, highest rank first; the first one is served. */
export interface ServiceFacet {
  readonly source: string;
  readonly rank: number;
  readonly offset: number;
  readonly recordedAt: number;
}

/** A replica of the control plane, as the log knows it. */
export interface ReplicaView {
  readonly id: string;
  /** Where its HTTP API is reached, `http://HOST:PORT`. */
  readonly admin: string;
  /** Of its `replica.joined`. */
  readonly offset: number;
  readonly recordedAt: number;
}

/** A lease on an endpoint (`endpoint.registered` with `lease`). */
export interface LeaseView {
  /** `<service>.<namespace>`. */
  readonly service: string;
  readonly id: string;
  readonly source: string;
  /** How long the holder may be silent, ms. */
  readonly ttlMs: number;
  /** Random id of the process that renews it. */
  readonly holder: string;
  /** It ran out: the endpoint is not served by it any more. */
  readonly expired?: true;
  /** Of its last event. */
  readonly offset: number;
  readonly recordedAt: number;
}

/**
 * The fold: state of the mesh as a function of the log. Deterministic: same records, same outcomes, same entity bytes.
 * `compileInputs` and `graphLookup` read the current state (their caller records the reads).
 */
export interface FoldState {
  /** Offset up to which the state is complete: never inside a batch. */
  readonly offset: number;
  readonly recordedAt: number;
  /**
   * Folds one record. Outcomes come for every event it settles: none while a batch is incomplete, all of the batch with its
   * last event. Never throws for a bad event (quarantined instead).
   */
  apply(record: LogRecord): readonly FoldOutcome[];
  drain(): FoldChanges;
  /**
   * Restores one stored entity (any order), at start; the bytes are copied. Throws `TendrilError` `STATE_UNREADABLE` when
   * key or bytes are not those of an entity of this version.
   */
  load(key: string, bytes: Uint8Array): void;
  /** Packs in ascending order of offset; several may be joined into one. */
  loadIdempotency(packed: Uint8Array): void;
  /** Ends loading: `offset` and `recordedAt` of the stored state. */
  loaded(offset: number, recordedAt: number): void;

  readonly compileInputs: CompileInputs;
  readonly graphLookup: GraphLookup;
  /** All inputs that a new `DependencyGraph` must be told once, after `setEdges` for all `callersWithEdges`. */
  graphInputs(): Iterable<string>;
  /** Events before this offset are forgotten for idempotency: stored packs that end before it can go (0: none kept). */
  readonly rememberedFrom: number;
  serviceNames(): Iterable<string>;
  service(name: string): ServiceView | undefined;
  serviceFacets(name: string): readonly ServiceFacet[];
  /** Service that owns an external host (lower case). */
  externalOwner(host: string): string | undefined;
  endpoint(service: string, id: string): EndpointView | undefined;
  endpointCount(service: string): number;
  policies(kind?: string): Iterable<PolicyEntity>;
  policy(kind: string, namespace: string, name: string): PolicyEntity | undefined;
  edges(caller: string): EdgeList;
  /** Term of a keeper (`keeper.elected`); 0: none yet. */
  keeperEpoch(keeper: string): number;
  /** Who said so (`keeper.elected`); undefined: none yet. */
  keeperHolder(keeper: string): string | undefined;
  /** Replicas that have joined and not left, by id, ascending. */
  replicas(): readonly ReplicaView[];
  /** Leases of all services, those that ran out among them; each object is replaced when it changes. */
  leases(): Iterable<LeaseView>;
  leasesOf(service: string): readonly LeaseView[];
  lease(service: string, id: string, source: string): LeaseView | undefined;
  readonly leaseCount: number;
  /** What one source says of an endpoint, as if it were the only one. */
  endpointOf(service: string, id: string, source: string): EndpointView | undefined;
  callersWithEdges(): Iterable<string>;
  /** @param key as `rawKey` of the model gives it */
  raw(key: string): RawEntity | undefined;
  rawKeys(): Iterable<string>;
  /** Label of a node and type. @param key as `rawSetKey` of the model gives it */
  rawLabel(key: string): string | undefined;
  rawSetKeys(): Iterable<string>;
  /** How many raw resources there are, and the bytes of all of them. */
  readonly rawTotals: { readonly resources: number; readonly bytes: number };
  /** How many entities there are, as of the last record folded. */
  readonly entityCounts: StateCounts;
  /** Offset of the last event applied to a subject (0: none): what `expect` and If-Match compare with. */
  subjectOffset(subject: string): number;
  /** Counts for health and metrics. */
  readonly counters: {
    readonly applied: number;
    readonly rejected: number;
    readonly quarantined: number;
    readonly duplicate: number;
  };
}
