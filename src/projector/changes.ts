/** What one commit of the state writes: collected by the fold run and by the deriver. */
import type { EndpointChange } from './fold/index.ts';
import type { StateCounts } from './fold/types.ts';
import { RowCollector } from './history-rows.ts';
import type { StoredUnit } from './records.ts';
import type { FoldOutcome, StateProof, StoredResource } from './types.ts';

/** An entity as stored (`frameEntity`); undefined: gone. */
export type EntityChange = Buffer | undefined;

/** Bytes of an entity as they were at an offset, for the history. */
export interface EntityImage {
  readonly offset: number;
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** Of the events folded since the last commit. */
export class FoldedChanges {
  readonly entities = new Map<string, EntityChange>();
  readonly inputs = new Set<string>();
  /** Before: at the last commit. */
  readonly endpoints = new Map<string, EndpointChange>();
  readonly idempotency: Uint8Array[] = [];
  /** What the fold remembers of idempotency begins at this offset. */
  rememberedFrom = 0;
  /** Those worth keeping: not applied, or applied with findings. */
  readonly outcomes: FoldOutcome[] = [];
  readonly rows = new RowCollector();
  readonly images: EntityImage[] = [];
  /** At multiples of `PROOF_EVERY`. */
  readonly proofs: StateProof[] = [];
  /** At the same offsets. */
  readonly counts: (readonly [offset: number, counts: StateCounts])[] = [];
  /** Records folded. */
  events = 0;
}

/** Units of one service, both of them. */
export interface ServiceUnits {
  readonly config: StoredUnit;
  readonly endpoints: StoredUnit;
}

/** What the changed inputs make of the read model. Undefined: gone. */
export class DerivedChanges {
  readonly resources = new Map<string, StoredResource | undefined>();
  readonly units = new Map<string, ServiceUnits | undefined>();
  readonly services = new Map<string, Uint8Array | undefined>();
  readonly hosts = new Map<string, string | undefined>();
  /** Framed (`encodeEndpoint`). */
  readonly endpoints = new Map<string, Buffer | undefined>();
  readonly callers = new Map<string, Uint8Array | undefined>();
  /** By `rawKey`. */
  readonly raw = new Map<string, StoredResource | undefined>();
  /** By `rawSetKey`. */
  readonly rawLabels = new Map<string, string | undefined>();
  mesh: Uint8Array | undefined;
  /** Change keys for the journal, see `ChangeKey` of delta-xds. */
  readonly keys = new Set<string>();
}
