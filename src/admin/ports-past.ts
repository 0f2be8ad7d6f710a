/** Ports for what was: earlier states and graphs, what differs between them, what sidecars held. */
import type { ServicePortSpec } from '../model/index.ts';
import type { EdgeQuery, EdgeView, ResourceView, StateCounts, StateView } from './ports-reading.ts';

/** The state as it was at an offset; `PastState` of the projector fits. */
export interface PastStateView {
  readonly offset: number;
  /** Of the event at the offset, ms; 0 before the first one. */
  readonly recordedAt: number;
  counts(): Promise<StateCounts>;
  /** Runs again what read something that was not loaded yet. */
  read<T>(look: (state: StateView) => T | Promise<T>): Promise<T>;
}

/** The graph as it was at an offset; `PastGraph` of the projector fits. */
export interface PastGraphView {
  readonly offset: number;
  /** Of the event at the offset, ms; 0 before the first one. */
  readonly recordedAt: number;
  edges(query: EdgeQuery): Promise<readonly EdgeView[]>;
  /** Edges of one caller alone, ascending by target. */
  edgesOf(caller: string, now?: number): Promise<readonly EdgeView[]>;
  /** Services as registered then; others are left out. */
  services(names: Iterable<string>): Promise<ReadonlyMap<string, { readonly ports: readonly ServicePortSpec[] }>>;
}

/** A resource that a sidecar was entitled to, as the compiler of today makes it from what was then. */
export interface EntitledView {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly bytes: number;
  readonly raw?: true;
}

/** An entity that differs between two offsets; undefined: it was not there. */
export interface ChangedEntity {
  /** As that of its events. */
  readonly subject: string;
  readonly before: Readonly<Record<string, unknown>> | undefined;
  readonly after: Readonly<Record<string, unknown>> | undefined;
}

export interface DiffQuery {
  readonly from: number;
  readonly to: number;
  /** Subjects looked at, about. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: number;
  /** This one alone. */
  readonly subject?: string;
}

export interface PastPort {
  /** Rejects with `OFFSET_INVALID`, `OFFSET_GONE`, `STATE_BUSY`. */
  graphAt(offset: number): Promise<PastGraphView>;
  /** As `graphAt`. */
  stateAt(offset: number): Promise<PastStateView>;
  /** What differs between two offsets, by the first event of each in between; rejects as `graphAt`. */
  diff(query: DiffQuery): Promise<{ readonly entities: readonly ChangedEntity[]; readonly next: number | undefined }>;
  /** What a sidecar was entitled to, ascending by type and name; rejects as `graphAt`. */
  entitledAt(offset: number, node: { readonly id: string; readonly service: string }): Promise<readonly EntitledView[]>;
  /** Offset of the last event recorded at or before a time, ms; 0: there is none. */
  offsetAt(recordedAt: number): number;
}

/** What a sidecar was last told of one resource at a moment. */
export interface HeldRow {
  readonly type: string;
  readonly name: string;
  /** Of the last sending. */
  readonly version: string;
  /** The version that it took last, and so held. */
  readonly acked?: string;
  readonly state: ResourceView['state'];
  readonly bytes?: number;
  /** ms since the epoch. */
  readonly sentAt?: number;
  readonly ackedAt?: number;
  readonly error?: string;
  readonly offset?: number;
}

/** What a sidecar held at a moment; `LedgerMoment` of the projector fits. */
export interface HeldMoment {
  readonly caller: string;
  /** False: the moment was before `from`. */
  readonly known: boolean;
  /** The ledger tells of this sidecar from here on, ms. */
  readonly from: number;
  readonly rows: readonly HeldRow[];
  /** Resources that changed so often since that nothing is known of then. */
  readonly forgotten: readonly { readonly type: string; readonly name: string }[];
}

/** One step of the delivery of a resource; `LedgerStep` of the projector fits. */
export interface DeliveryStep {
  readonly event: 'sent' | 'acked' | 'rejected' | 'removed';
  readonly version: string;
  /** Offset of the state it was made from. */
  readonly offset: number;
  /** ms since the epoch. */
  readonly at: number;
}

/** The delivery ledger, for questions about earlier times. */
export interface DeliveriesPort {
  /** The latest eight at most, oldest first. */
  steps(id: string, type: string, name: string): readonly DeliveryStep[];
  /** Undefined: it does not know the sidecar. @param at ms since the epoch */
  heldAt(id: string, at: number): HeldMoment | undefined;
}
