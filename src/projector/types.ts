/** The projector's public words: outcomes of the fold, the stored read model, and what the core tells the workers. */
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
