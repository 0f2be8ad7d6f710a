/**
 * Events: facts in the past tense, the only way anything in Tendril changes (design, section 5).
 *
 * The TypeBox schemas in `event-schema.ts` are the one source of the `data` types; this file holds the envelope.
 */
import type { EventData } from './event-schema.ts';

export type EventType = keyof EventData;

export interface EventBatch {
  /** Same for all events of the batch. A batch is applied only when complete, and rejected whole. */
  readonly id: string;
  /** 0-based position inside the batch. */
  readonly index: number;
  readonly size: number;
}

/** What an author hands to the log. */
export interface EventEnvelope<T extends EventType = EventType> {
  /** With `source` the idempotency key. */
  readonly id: string;
  readonly type: T;
  /** Key of the entity that changes, see `subjectOf`. */
  readonly subject: string;
  /** The author's word, RFC 3339. Data only: no decision reads it. */
  readonly time: string;
  /** Who says it: adapter, operator or sidecar identity. Owner of the facet that the event writes. */
  readonly source: string;
  /** Version of `data`'s shape; older ones are upcast when read. */
  readonly schemaVersion: number;
  readonly mesh: string;
  readonly data: EventData[T];
  readonly reason?: string;
  /** Offset of the subject's last applied event that the author saw (0: it saw none). Decided by the fold. */
  readonly expect?: number;
  readonly batch?: EventBatch;
}

/** An event with its place in the log. */
export interface RecordedEvent<T extends EventType = EventType> extends EventEnvelope<T> {
  /** Place in the log: 1, 2, 3, … without gaps. */
  readonly offset: number;
  /** The log's word, ms since the epoch, never decreasing: the only clock of `--at TIME`. */
  readonly recordedAt: number;
}

/** What the fold made of an event. */
export type EventStatus = 'applied' | 'rejected' | 'quarantined' | 'duplicate';

/** Version of the `data` shape of all events, but for those of `LATER_VERSIONS`. */
export const EVENT_SCHEMA_VERSION = 1;

/**
 * Families that got their meaning with a later version. Raw resources had a shape in version 1 but no effect (quarantined, E107), and
 * a replay of such an event must not give it one: so they begin with version 2.
 */
export const LATER_VERSIONS: ReadonlyMap<string, number> = new Map([
  ['resource.put', 2],
  ['resource.delete', 2],
  ['resource.clear', 2],
  ['resource.refused', 2],
]);

/** Version that events of this type are written with. */
export const schemaVersionOf = (type: string): number => LATER_VERSIONS.get(type) ?? EVENT_SCHEMA_VERSION;
