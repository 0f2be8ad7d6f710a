/** The projector's public words: outcomes of the fold, the stored read model, and what the core tells the workers. */
import type { ServiceView } from '../compile/index.ts';
import type { EventStatus, Finding } from '../model/index.ts';

/** What the fold made of one record. */
export interface FoldOutcome {
  readonly offset: number;
  readonly status: EventStatus;
  /** Why it was not applied: `E201`, `expect`, `batch`, `schema`, … */
  readonly code?: string;
  readonly message?: string;
  readonly findings?: readonly Finding[];
  /** Status `duplicate`: offset of the first one. */
  readonly duplicateOf?: number;
}

/** Told after each commit of the state; the payload stays in the read model (journal). */
export interface Notice {
  /** Number of the commit: 1, 2, 3, … per data directory. */
  readonly epoch: number;
  /** Last folded offset. */
  readonly offset: number;
}

/** A shared resource as stored; see `ResourceBody` in delta-xds for the fields. */
export interface StoredResource {
  readonly version: string;
  readonly body: Uint8Array;
  readonly domains?: readonly string[];
  readonly clusters?: readonly string[];
  readonly eds?: string;
}

/** Raw resources of one node and type. */
export interface RawSet {
  /** Ascending (UTF-16 order). */
  readonly names: readonly string[];
  /** `version` of the last raw event of the node and type, where it gave one. */
  readonly label?: string;
}

/** A registered service as workers see it: the highest-ranked facet. */
export type ServiceRecord = ServiceView;

/** What changed in the read model since an epoch; keys as `ChangeKey` of delta-xds. */
export interface ModelChanges {
  /** The newest committed epoch. */
  readonly epoch: number;
  readonly keys: readonly string[];
  /** The journal does not reach back that far: compare everything. */
  readonly everything: boolean;
}

/** Where a state was last taken over from an older version of the fold, instead of being folded from the first event. */
export interface FoldBase {
  readonly offset: number;
  /** Of the fold that made it up to there. */
  readonly foldVersion: number;
}

/** Proof of a state: replicas compare those with equal offset, fold version and base. */
export interface StateProof {
  readonly offset: number;
  /** Sum of SHA-256(key ‖ value) over all entities modulo 2^256, 64 hexadecimal digits. */
  readonly hash: string;
  /** Hash chain of the log up to the offset, 64 hexadecimal digits. */
  readonly chain: string;
  readonly foldVersion: number;
  /** Absent: all events were folded by `foldVersion`. */
  readonly base?: FoldBase;
}

/** How far the state is behind the log. */
export interface Lag {
  /** Durable events that no commit of the state holds yet. */
  readonly events: number;
  /** Age of the oldest of them, ms; 0 when there is none. */
  readonly ms: number;
  /** More than 100,000 events or 5 s behind: ingest answers 429 (design, section 9). */
  readonly tooFar: boolean;
}

export type ProjectorState =
  /** Follows the log. */
  | 'live'
  /** The state's disk is nearly full: it waits and tries again; reading goes on. */
  | 'waiting-for-disk'
  /** A commit or the log failed: nothing moves any more, reading goes on; the process is to be replaced. */
  | 'failed'
  | 'closed';

export interface ProjectorCondition {
  readonly state: ProjectorState;
  /** Why it is not `live`. */
  readonly code?: string;
  readonly message?: string;
  /** Units whose compilation failed; their last good resources stay. */
  readonly failedUnits: number;
}

/** One step of the delivery of one resource to nodes that took it alike (design, section 9). */
export interface DeliveryGroup {
  /** Short name of the resource type: `cds`, `eds`, … */
  readonly type: string;
  readonly name: string;
  /** Content hash; '' for removals. */
  readonly version: string;
  /** Bytes on the wire; 0 unless `sent`. */
  readonly bytes: number;
  /** Offset of the state it was made from. */
  readonly offset: number;
  readonly event: 'sent' | 'acked' | 'rejected' | 'removed';
  /** Of the first of them, ms since the epoch. */
  readonly at: number;
  /** Place of a node in the report's list, ms after `at`; again and again. */
  readonly steps: readonly number[];
  /** `rejected`: the node's error text, at most 1,024 characters. */
  readonly message?: string;
  /** `rejected`: true: this very resource is refused; false: it was in a response of several that was refused as a whole. */
  readonly final?: boolean;
}

/** What one xDS worker saw since its last report. */
export interface DeliveryReport {
  /** Id and `<service>.<namespace>` of the nodes. */
  readonly nodes: readonly (readonly [id: string, caller: string])[];
  readonly groups: readonly DeliveryGroup[];
}

/** What a node was last told of one resource, and what it said to it. */
export interface LedgerRow {
  readonly type: string;
  readonly name: string;
  /** Of the last step; '' after a removal. */
  readonly version: string;
  readonly state: 'sent' | 'acked' | 'refused' | 'removed';
  /** Of the last sending. */
  readonly bytes?: number;
  readonly offset?: number;
  /** ms since the epoch. */
  readonly sentAt?: number;
  readonly ackedAt?: number;
  /** The node's words when it refused the last version. */
  readonly error?: string;
}

/** What a node held at a moment, as far as the ledger tells. */
export interface LedgerMoment {
  readonly caller: string;
  /** False: the moment was before `from`. */
  readonly known: boolean;
  /** What was delivered from then on is in the ledger, ms since the epoch. */
  readonly from: number;
  /** `acked`: the version that it took last, and so held. */
  readonly rows: readonly (LedgerRow & { readonly acked?: string })[];
  /** Resources that changed so often since that their steps of then are gone. */
  readonly forgotten: readonly { readonly type: string; readonly name: string }[];
}

/** What is known of a node from its deliveries. */
export interface LedgerNode {
  readonly caller: string;
  /** When the ledger first heard of it, ms since the epoch; absent in ledgers of earlier versions. */
  readonly since?: number;
  /** ms since the epoch. */
  readonly lastSentAt?: number;
  readonly lastAckAt?: number;
}

/** Size of the whole mesh as compiled, for comparison with what a sidecar holds. */
export interface MeshTotals {
  /** Ports of all registered services. */
  readonly servicePorts: number;
  /** Bytes of all shared clusters, assignments and virtual hosts: what a full push would send. */
  readonly fullPushBytes: number;
}
