/** What a core is made of, and what it is started with. */
import type { Logger } from 'pino';
import type { GraphStreamCounters } from '../admin/index.ts';
import type { DirAdapter, DocumentGateway, Ingest, LearnedEdges } from '../ingest/index.ts';
import type { OpenedLog } from '../log/index.ts';
import type { Ledger, Projector } from '../projector/index.ts';
import type { DiskGuard } from '../store/index.ts';
import type { Channel } from './channel.ts';
import type { ServeConfig } from './config.ts';
import type { EdgeKeeping } from './edge-keeping.ts';
import type { Leases } from './leases/index.ts';
import type { ToCore, ToWorker } from './messages.ts';
import type { Proxies } from './proxies.ts';
import type { Refusals } from './refusals.ts';
import type { Replicas } from './replicas/index.ts';
import type { StorageCare } from './storage-care.ts';
import type { WorkerRegistry } from './worker-registry.ts';

export interface CoreOptions {
  readonly config: ServeConfig;
  readonly logger: Logger;
  /** A worker has been silent for 10 s. */
  readonly restartWorker: (pid: number) => void;
  /**
   * A write to the log or the state has failed for good: LMDB's memory may be damaged, so the process is to be replaced
   * (reliability, finding 1). Without it the process stays, read-only.
   */
  readonly replace?: () => void;
  /** No sidecar is to be served here any more. */
  readonly takeOut?: (why: string) => void;
  /** `--workers 0`: the only worker, in this process; else workers dial the core's socket. */
  readonly channel?: Channel<ToWorker, ToCore>;
  /** Log and state are open: whoever stands in for this core lets audit and port go now. */
  readonly onOpened?: () => Promise<void>;
}

/** Log, state and ledger, and what looks after them. */
export interface CoreStorage extends StorageCare {
  readonly log: OpenedLog;
  readonly guard: DiskGuard;
  /** With half of the reserve: for the state, which must hold what the log took. */
  readonly stateGuard: DiskGuard;
  readonly projector: Projector;
  readonly ledger: Ledger;
}

/** Everything that writes events, and the workers' counterpart. */
export interface CoreWriters {
  readonly ingest: Ingest;
  readonly documents: DocumentGateway;
  readonly learned: LearnedEdges;
  readonly keeping: EdgeKeeping;
  readonly leases: Leases;
  readonly dir: DirAdapter | undefined;
  readonly registry: WorkerRegistry;
  readonly refusals: Refusals;
  readonly replicas: Replicas;
  /** Why this replica serves nobody any more. */
  readonly out: () => string | undefined;
}

/** The parts of a running core, for the ports of the HTTP API. */
export interface CoreParts extends CoreStorage, CoreWriters {
  readonly config: ServeConfig;
  /** Replaces the core soon: a damaged state is made anew at its start. Undefined: it cannot be replaced. */
  readonly heal: (() => void) | undefined;
  readonly proxies: Proxies;
  readonly graphStreams: GraphStreamCounters;
}

/** What was opened so far: closed in reverse when a later step fails. */
export type Opened = (() => unknown)[];
