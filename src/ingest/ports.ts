/**
 * What ingest needs from the outside. The runtime assigns projector and fold to these ports with thin adapters; ingest knows
 * neither of them.
 */
import type { EventStatus, Finding, LookupService } from '../model/index.ts';

/** What the fold made of one record; `FoldOutcome` of the projector fits. */
export interface Outcome {
  readonly offset: number;
  readonly status: EventStatus;
  /** Why it was not applied: `expect`, `batch`, `E201`, … */
  readonly code?: string;
  readonly message?: string;
  readonly findings?: readonly Finding[];
  /** Status `duplicate`: offset of the first one. */
  readonly duplicateOf?: number;
}

export interface FoldLag {
  /** Durable events that the fold has not passed yet. */
  readonly events: number;
  /** Age of the oldest of them, ms; 0 when there is none. */
  readonly ms: number;
}

/** The fold as seen by a writer. */
export interface FoldPort {
  /**
   * Outcomes of these offsets (just appended, ascending), in the same order, as soon as all are settled; undefined when
   * `timeoutMs` runs out first. Rejects with `TendrilError` when the projector has stopped.
   */
  outcomes(offsets: readonly number[], timeoutMs: number): Promise<readonly Outcome[] | undefined>;
  /** True once every live xDS worker serves a state that holds `offset`; false when `timeoutMs` runs out first. */
  visible(offset: number, timeoutMs: number): Promise<boolean>;
  lag(): FoldLag;
}

/** A stored policy document; `PolicyEntity` of the fold fits. */
export interface StoredDocument {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Offset of the last event applied to it. */
  readonly offset: number;
  readonly source: string;
  readonly file?: string;
  readonly line?: number;
  readonly document: Readonly<Record<string, unknown>>;
}

/** The newest folded state; `FoldState` fits. */
export interface StatePort {
  /** Offset up to which the state is complete. */
  readonly offset: number;
  policy(kind: string, namespace: string, name: string): StoredDocument | undefined;
  policies(kind?: string): Iterable<StoredDocument>;
  service(name: string): LookupService | undefined;
  /** Who says what of a service; of a Service document the source is `Service/<namespace>/<name>`. */
  serviceFacets(name: string): readonly { readonly source: string }[];
  /** Service that owns an external host (lower case). */
  externalOwner(host: string): string | undefined;
  subjectOffset(subject: string): number;
  /** Ports on which the sidecars of a caller listen for `inbound`; absent: a dry run does not look at them. */
  listenPorts?(caller: string): Iterable<{ readonly port: number; readonly owner: string }>;
}

/** What is known of one edge; `EdgeRecord` of the dependency graph fits. */
export interface KnownEdge {
  readonly evidence: readonly string[];
  /** Sources that gave evidence: the first two. */
  readonly witnesses: readonly string[];
  /** It was not used for long, and what evidence there was does not count any more. */
  readonly expired?: boolean;
}

export interface EdgePort {
  /** `to` with its port. */
  edge(from: string, to: string): KnownEdge | undefined;
}

/** Timers by argument: tests drive them by hand. */
export interface Timers {
  /** Calls `task` once after `ms`; the function returned cancels it. */
  after(ms: number, task: () => void): () => void;
}

/** Timers of Node that never keep the process alive. */
export const systemTimers: Timers = {
  after: (ms, task) => {
    const timer = setTimeout(task, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** What ingest writes to a logger; a pino logger fits. */
export interface IngestLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
