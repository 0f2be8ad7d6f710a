/** Ports for who runs Tendril: health, metrics, the logger. */
import type { Finding } from '../model/index.ts';

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

/** Replicas of this control plane; `Replicas` of the runtime fits. */
export interface ReplicasPort {
  rows(): readonly object[];
  /** Outcome of the last comparison of states. */
  comparison(): object;
  /** Of this replica. */
  statement(): object;
  /** Rejects with `KEEPER_FENCED`. `question` has a known `what`. */
  ask(term: number, question: Readonly<Record<string, unknown>>): Promise<object>;
  /** Resolves with false when there is none of that name. */
  remove(id: string, caller: string, reason: string): Promise<boolean>;
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

/** Passes over all data that compare every record with its checksum. */
export interface ScrubPort {
  status(): object;
  /** Begins a pass. Throws `SCRUB_RUNNING`. */
  start(): void;
  /** Replaces the core soon, so that a damaged state is made anew. Throws `NOTHING_TO_HEAL`. */
  heal(): void;
}

/** A snapshot that is being written; what it is stands in its first bytes too. */
export interface OpenSnapshotView {
  readonly header: {
    readonly mesh: string;
    readonly offset: number;
    readonly recordedAt: number;
    readonly hash: string;
    readonly chain: string;
    readonly foldVersion: number;
  };
  /** To be read once, at the reader's pace. */
  readonly bytes: AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface SnapshotsPort {
  /** Rejects with `SNAPSHOT_BUSY`, `SNAPSHOT_NONE`, `DISK_FULL`. */
  open(options: { readonly withLog: boolean }): Promise<OpenSnapshotView>;
}

/** What the API writes to a logger; a pino logger fits. */
export interface AdminLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
