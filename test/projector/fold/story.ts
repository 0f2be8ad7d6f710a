/** A mesh told event by event: `given` … `when` … and what the fold made of it. */
import type { LogRecord } from '../../../src/log/index.ts';
import {
  type EventBatch,
  type EventData,
  type EventType,
  type RecordedEvent,
  subjectOf,
} from '../../../src/model/index.ts';
import {
  createFoldState,
  type FoldChanges,
  type FoldOptions,
  type FoldState,
} from '../../../src/projector/fold/index.ts';
import type { FoldOutcome } from '../../../src/projector/types.ts';

export const MESH = 'test';
export const START = Date.UTC(2026, 0, 1);

/** What an author sends; everything else is filled in. */
export interface Told<T extends EventType = EventType> {
  readonly type: T;
  readonly data: EventData[T];
  readonly source?: string;
  readonly id?: string;
  readonly expect?: number;
  readonly reason?: string;
  readonly mesh?: string;
  readonly subject?: string;
  readonly schemaVersion?: number;
}

export const told = <T extends EventType>(
  type: T,
  data: EventData[T],
  options: Omit<Told<T>, 'type' | 'data'> = {},
): Told => ({ type, data, ...options }) as unknown as Told;

/** The record as the log would give it at that offset: a copy, parsed anew. */
export const recordAt = (
  offset: number,
  event: Told,
  options: { readonly recordedAt?: number; readonly batch?: EventBatch } = {},
): LogRecord => {
  const { type, data, source = 'local', id = `id-${offset}`, mesh = MESH, schemaVersion = 1, ...rest } = event;
  const recordedAt = options.recordedAt ?? START + offset;
  const subject = event.subject ?? subjectOf(type, data);
  const envelope = { id, type, subject, time: '2026-01-01T00:00:00Z', source, schemaVersion, mesh, data, ...rest };
  const text = JSON.stringify({ ...envelope, ...(options.batch === undefined ? {} : { batch: options.batch }) });
  return {
    offset,
    recordedAt,
    event: { ...JSON.parse(text), offset, recordedAt } as RecordedEvent,
    bytes: Buffer.from(text),
  };
};

export const unreadableAt = (offset: number, reason = 'not JSON'): LogRecord => ({
  offset,
  recordedAt: START + offset,
  event: undefined,
  unreadable: reason,
  bytes: Buffer.from('{'),
});

export class Story {
  readonly fold: FoldState;
  offset = 0;
  /** Of the next events, ms. Undefined: START + offset. */
  recordedAt: number | undefined;
  private batches = 0;

  constructor(options: Partial<FoldOptions> = {}) {
    this.fold = createFoldState({ mesh: MESH, freeze: true, ...options });
  }

  /** Sends one event; gives its outcome. */
  send<T extends EventType>(type: T, data: EventData[T], options: Omit<Told<T>, 'type' | 'data'> = {}): FoldOutcome {
    const [outcome] = this.apply(told(type, data, options));
    if (outcome === undefined) throw new Error('no outcome');
    return outcome;
  }

  apply(event: Told, batch?: EventBatch): readonly FoldOutcome[] {
    this.offset += 1;
    const at = this.recordedAt === undefined ? {} : { recordedAt: this.recordedAt };
    return this.fold.apply(recordAt(this.offset, event, batch === undefined ? at : { ...at, batch }));
  }

  /** Sends events as one batch; gives all outcomes. */
  batch(...events: readonly Told[]): readonly FoldOutcome[] {
    this.batches += 1;
    const id = `batch-${this.batches}`;
    return events.flatMap((event, index) => this.apply(event, { id, index, size: events.length }));
  }

  unreadable(): readonly FoldOutcome[] {
    this.offset += 1;
    return this.fold.apply(unreadableAt(this.offset));
  }

  document(kind: string, name: string, spec: unknown, options: DocumentOptions = {}): FoldOutcome {
    const [outcome] = this.apply(documentEvent(kind, name, spec, options));
    if (outcome === undefined) throw new Error('no outcome');
    return outcome;
  }
}

export interface DocumentOptions extends Omit<Told, 'type' | 'data'> {
  readonly namespace?: string;
  readonly file?: string;
  readonly line?: number;
}

export const documentEvent = (kind: string, name: string, spec: unknown, options: DocumentOptions = {}): Told => {
  const { namespace = 'default', file, line, ...rest } = options;
  const document = { apiVersion: 'tendril.dev/v1', kind, metadata: { name, namespace }, spec };
  const place = { ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) };
  return told('policy.applied', { document, ...place }, rest);
};

/** `service.registered` with one HTTP port. */
export const service = (
  name: string,
  more: Partial<EventData['service.registered']> = {},
): EventData['service.registered'] => ({
  namespace: 'default',
  name,
  ports: [{ port: 8080, protocol: 'http' }],
  ...more,
});

export const endpoint = (
  of: string,
  id: string,
  more: Partial<EventData['endpoint.registered']> = {},
): EventData['endpoint.registered'] => ({ namespace: 'default', service: of, id, address: '10.0.0.1', ...more });

export const endpointsOf = (fold: FoldState, name: string) =>
  fold.compileInputs.endpoints(name).flatMap((block) => block.endpoints());

/** Folds the changes of drains into one picture of the stored state. */
export class Stored {
  readonly entities = new Map<string, Uint8Array>();
  readonly idempotency: Uint8Array[] = [];
  offset = 0;
  recordedAt = 0;

  take(fold: FoldState): FoldChanges {
    const changes = fold.drain();
    for (const [key, bytes] of changes.entities) {
      if (bytes === undefined) this.entities.delete(key);
      else this.entities.set(key, Uint8Array.from(bytes));
    }
    if (changes.idempotency.length > 0) this.idempotency.push(Uint8Array.from(changes.idempotency));
    this.offset = fold.offset;
    this.recordedAt = fold.recordedAt;
    return changes;
  }

  /** A new fold that starts from here. */
  restore(options: Partial<FoldOptions> = {}): FoldState {
    const fold = createFoldState({ mesh: MESH, freeze: true, ...options });
    const entries = [...this.entities].reverse();
    for (const [key, bytes] of entries) fold.load(key, bytes);
    for (const packed of this.idempotency) fold.loadIdempotency(packed);
    fold.loaded(this.offset, this.recordedAt);
    return fold;
  }

  /** Sorted lines `<key> <bytes>`, for comparing. */
  text(): string[] {
    return [...this.entities].map(([key, bytes]) => `${key} ${Buffer.from(bytes).toString('latin1')}`).sort();
  }
}
