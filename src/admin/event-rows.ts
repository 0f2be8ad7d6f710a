/** Events as lists and streams show them. */
import type { EventStatus, Finding } from '../model/index.ts';
import type { LogRecordView, OutcomeView } from './ports.ts';

export interface EventRow {
  readonly offset: number;
  readonly id?: string;
  readonly type?: string;
  readonly subject?: string;
  readonly time?: string;
  /** RFC 3339. */
  readonly recordedAt: string;
  readonly source?: string;
  readonly data?: unknown;
  readonly reason?: string;
  readonly expect?: number;
  readonly batch?: unknown;
  readonly status: EventStatus | 'pending';
  readonly code?: string;
  readonly message?: string;
  readonly findings?: readonly Finding[];
  readonly duplicateOf?: number;
  /** The record cannot be read as an event. */
  readonly unreadable?: string;
}

export const eventRow = (record: LogRecordView, outcome: OutcomeView | undefined): EventRow => {
  const { event } = record;
  return {
    offset: record.offset,
    ...(event === undefined
      ? {}
      : {
          id: event.id,
          type: event.type,
          subject: event.subject,
          time: event.time,
          source: event.source,
          data: event.data,
          ...(event.reason === undefined ? {} : { reason: event.reason }),
          ...(event.expect === undefined ? {} : { expect: event.expect }),
          ...(event.batch === undefined ? {} : { batch: event.batch }),
        }),
    recordedAt: new Date(record.recordedAt).toISOString(),
    status: outcome?.status ?? 'pending',
    ...(outcome?.code === undefined ? {} : { code: outcome.code }),
    ...(outcome?.message === undefined ? {} : { message: outcome.message }),
    ...(outcome?.findings === undefined ? {} : { findings: outcome.findings }),
    ...(outcome?.duplicateOf === undefined ? {} : { duplicateOf: outcome.duplicateOf }),
    ...(record.unreadable === undefined ? {} : { unreadable: record.unreadable }),
  };
};

/** A final `*` takes everything that begins so. */
const matches = (pattern: string, text: string | undefined): boolean =>
  text !== undefined && (pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern);

export interface EventFilter {
  readonly type?: string | undefined;
  readonly subject?: string | undefined;
  readonly status?: string | undefined;
}

export const eventFilter = (filter: EventFilter): ((row: EventRow) => boolean) => {
  const types = filter.type?.split(',').map((type) => type.trim());
  const { subject, status } = filter;
  return (row) =>
    (types === undefined || types.some((type) => matches(type, row.type))) &&
    (subject === undefined || matches(subject, row.subject)) &&
    (status === undefined || row.status === status);
};
