/**
 * What the HTTP API needs from the rest of Tendril. Admin imports only the model; the runtime assigns ingest, log, fold, graph,
 * session registry and ledger to these ports, most of them as they are.
 */
import type { AuditPort } from './ports-audit.ts';
import type { LeasesPort } from './ports-leases.ts';
import type { DeliveriesPort, PastPort } from './ports-past.ts';
import type {
  EventsPort,
  GraphChangesPort,
  GraphPort,
  HistoryPort,
  ProofView,
  ProxiesPort,
  RawPort,
  StatePort,
} from './ports-reading.ts';
import type { HealthPort, MetricsPort, ReplicasPort, ScrubPort, SnapshotsPort } from './ports-running.ts';
import type { DocumentsPort, IngestPort } from './ports-writing.ts';

export type * from './ports-audit.ts';
export type * from './ports-leases.ts';
export type * from './ports-past.ts';
export type * from './ports-reading.ts';
export type * from './ports-running.ts';
export type * from './ports-writing.ts';

export interface AdminPorts {
  readonly ingest: IngestPort;
  readonly documents: DocumentsPort;
  readonly events: EventsPort;
  readonly history: HistoryPort;
  readonly state: StatePort;
  /** Of the newest commit, or the newest one at or below an offset for which there is one (at least that of the empty state, 0). */
  readonly proof: (at?: number) => ProofView;
  readonly graph: GraphPort;
  readonly past: PastPort;
  readonly graphChanges: GraphChangesPort;
  /** Absent: no resource is raw. */
  readonly raw?: RawPort;
  readonly proxies: ProxiesPort;
  readonly replicas: ReplicasPort;
  readonly leases: LeasesPort;
  /** Absent: nothing is audited. */
  readonly audit?: AuditPort;
  readonly scrub?: ScrubPort;
  readonly snapshots: SnapshotsPort;
  readonly deliveries: DeliveriesPort;
  readonly health: HealthPort;
  readonly metrics: MetricsPort;
}
