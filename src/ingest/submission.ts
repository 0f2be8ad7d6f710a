/** What writers hand to the gateway, and what they get back. */
import type { EventEnvelope, EventStatus, Finding } from '../model/index.ts';
import type { Outcome } from './ports.ts';

export interface TextPlace {
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

/** Where the event at an index came from, for its findings. */
export interface Place {
  /** RFC 6901 pointer to the event in what was sent. */
  readonly pointer?: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** Where a field of the event's document stands. */
  readonly locate?: (pointer: string) => TextPlace;
}

export interface Submission {
  /** 1..`limits.batchEvents` raw events. */
  readonly events: readonly unknown[];
  /** Identity of the writer: `source` of events that name none. */
  readonly caller: string;
  /** `applied`: answer when the change is visible to all xDS streams. Default: when the fold has decided. */
  readonly wait?: 'folded' | 'applied';
  /** How long to wait for either, ms; then the answer is `pending`. Default 5,000. */
  readonly timeoutMs?: number;
  /** false: each event stands alone. Default true. */
  readonly atomic?: boolean;
  /** Allows the event families that only Tendril writes. */
  readonly internal?: boolean;
  readonly place?: (index: number) => Place;
  /** Told once what is appended, for the audit: with its offsets, or without them when the log refused it. Must not throw. */
  readonly observe?: Observe;
}

export type Observe = (events: readonly EventEnvelope[], offsets: readonly number[] | undefined) => void;

export interface EventAnswer {
  /** Of a duplicate: offset of the first one. */
  readonly offset: number;
  readonly status: EventStatus | 'pending';
  /** Why it was not applied: `expect`, `batch`, `E201`, … */
  readonly code?: string;
  readonly message?: string;
}

export interface SubmitAnswer {
  /**
   * `applied` (duplicates count) · `rejected`: some event was rejected or quarantined · `pending`: durable, but not decided or not
   * visible yet.
   */
  readonly result: 'applied' | 'rejected' | 'pending';
  readonly offsets: readonly number[];
  readonly events: readonly EventAnswer[];
  /** Errors of rejected events, and warnings about applied ones. */
  readonly findings: readonly Finding[];
}

/** What the fold said of an event: why it was not applied, or warnings. */
export const outcomeFindings = (outcome: Outcome): readonly Finding[] => {
  if (outcome.findings !== undefined && outcome.findings.length > 0) return outcome.findings;
  if (outcome.status === 'applied' || outcome.status === 'duplicate' || outcome.code === 'batch') return [];
  const code = outcome.code ?? outcome.status;
  return [{ code, severity: 'error', message: outcome.message ?? `the event was ${outcome.status} (${code})` }];
};

/** Findings of a document point into the document; all others point to what was sent. */
export const placeFinding = (finding: Finding, where: Place | undefined): Finding => {
  if (where === undefined) return finding;
  const ofDocument = finding.document !== undefined;
  const pointer =
    ofDocument || where.pointer === undefined ? finding.pointer : `${where.pointer}${finding.pointer ?? ''}`;
  const placed = {
    ...finding,
    ...(pointer === undefined ? {} : { pointer }),
    ...(where.file === undefined || finding.file !== undefined ? {} : { file: where.file }),
  };
  if (finding.line !== undefined) return placed;
  // More exact than the line of the document.
  const exact = ofDocument && finding.pointer !== undefined ? where.locate?.(finding.pointer) : undefined;
  return { ...placed, ...(where.line === undefined ? {} : { line: where.line }), ...exact };
};
