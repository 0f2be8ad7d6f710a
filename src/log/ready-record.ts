/** A record that gets its bytes elsewhere than by `append`: read from Kafka, or from a dump. */
import type { EventEnvelope } from '../model/index.ts';
import { upcast } from './upcast.ts';

export interface ReadyRecord {
  /** What is stored after the time. */
  readonly json: string;
  /** Bytes of the whole record. */
  readonly bytes: number;
  readonly recordedAt: number;
  /** As `decodeRecord` reads it from the bytes; the record's own. */
  readonly event: EventEnvelope | undefined;
  readonly unreadable?: string;
}

/** With the event as readers see it. */
export const upcastReady = (record: ReadyRecord): ReadyRecord => {
  const { event, unreadable } = upcast(record.event);
  if (event === undefined) return { ...record, event, unreadable };
  return event === record.event ? record : { ...record, event };
};
