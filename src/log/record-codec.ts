/**
 * Bytes of one record: `[recordedAt, 8 bytes big endian][event as JSON, UTF-8]`. The offset is the record's key; it is not
 * repeated. The same in every log, so that hash chains can be compared.
 */
import { type EventEnvelope, type RecordedEvent, TendrilError } from '../model/index.ts';
import type { LogRecord } from './event-log.ts';
import type { ReadyRecord } from './ready-record.ts';
import { type UpcastRegistry, upcast } from './upcast.ts';

export const RECORD_HEADER_BYTES = 8;
/** Bound of an event's `data` as JSON, in bytes (reference/reliability.md, section 4c). */
export const MAX_DATA_BYTES = 256 * 1024;
/** The same of a `resource.put`: a resource of 1 MiB in base64, and room. */
const MAX_RAW_DATA_BYTES = 2 * 1024 * 1024;
/** Bound of all other fields together. */
const MAX_ENVELOPE_BYTES = 64 * 1024;
/** No event is larger (`requireFit`): a larger record was not written by this module, and is not parsed. */
export const MAX_RECORD_BYTES = RECORD_HEADER_BYTES + MAX_RAW_DATA_BYTES + MAX_ENVELOPE_BYTES;
const TWO_32 = 2 ** 32;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** An event on its way into the log. */
export interface EncodedEvent {
  /** A copy of the caller's envelope; its data is shared with the caller. */
  readonly event: EventEnvelope;
  readonly json: string;
  /** Bytes of the whole record. */
  readonly bytes: number;
}

/** @throws TendrilError `EVENT_TOO_LARGE`, `EVENT_NOT_JSON`, `MESH_MISMATCH`. */
export const encodeEvent = (event: EventEnvelope, mesh: string): EncodedEvent => {
  if (event.mesh !== mesh) {
    throw new TendrilError(
      'MESH_MISMATCH',
      `event ${event.id} belongs to mesh "${event.mesh}", this log to "${mesh}"`,
      {
        remedy: 'send it to the control plane of its own mesh',
      },
    );
  }
  const envelope = envelopeOf(event);
  const json = stringify(envelope);
  const length = Buffer.byteLength(json);
  if (length > MAX_DATA_BYTES) requireFit(event, length);
  return { event: envelope, json, bytes: RECORD_HEADER_BYTES + length };
};

/** The envelope's fields and no others: what is stored, and what followers get. (A spread would cost 2 µs, this 0.1.) */
const envelopeOf = (event: EventEnvelope): EventEnvelope => {
  const { id, type, subject, time, source, schemaVersion, mesh, data, reason, expect, batch } = event;
  const envelope: Writable<EventEnvelope> = { id, type, subject, time, source, schemaVersion, mesh, data };
  if (reason !== undefined) envelope.reason = reason;
  if (expect !== undefined) envelope.expect = expect;
  if (batch !== undefined) envelope.batch = batch;
  return envelope;
};

const stringify = (event: EventEnvelope): string => {
  try {
    return JSON.stringify(event);
  } catch (error) {
    throw new TendrilError('EVENT_NOT_JSON', `event ${event.id} cannot be written as JSON: ${String(error)}`, {
      remedy: 'use only objects, arrays, texts, finite numbers, booleans and null',
      cause: error,
    });
  }
};

const requireFit = (event: EventEnvelope, length: number): void => {
  const data = Buffer.byteLength(JSON.stringify(event.data));
  const most = event.type === 'resource.put' ? MAX_RAW_DATA_BYTES : MAX_DATA_BYTES;
  if (data <= most && length - data <= MAX_ENVELOPE_BYTES) return;
  const [what, found, limit] = data > most ? ['data', data, most] : ['envelope', length - data, MAX_ENVELOPE_BYTES];
  throw new TendrilError('EVENT_TOO_LARGE', `event ${event.id}: its ${what} has ${found} bytes, ${limit} are allowed`, {
    remedy: 'split it into several events',
  });
};

/** Writes the record into `target`, which has exactly its size. */
export const writeRecord = (target: Buffer, encoded: { readonly json: string }, recordedAt: number): void => {
  target.writeUInt32BE(Math.floor(recordedAt / TWO_32), 0);
  target.writeUInt32BE(recordedAt % TWO_32, 4);
  target.write(encoded.json, RECORD_HEADER_BYTES, 'utf8');
};

export const recordedAtOf = (bytes: Buffer): number => bytes.readUInt32BE(0) * TWO_32 + bytes.readUInt32BE(4);

/** The envelope must be ours: it is completed in place. */
const place = (event: EventEnvelope, offset: number, recordedAt: number): RecordedEvent => {
  const recorded = event as Writable<RecordedEvent>;
  recorded.offset = offset;
  recorded.recordedAt = recordedAt;
  return recorded;
};

/** Types whose `data` no schema closes: it may hold what JSON changes (NaN, undefined, a date), so followers get what is stored. */
const FREE_FORM: ReadonlySet<string> = new Set(['policy.applied', 'policy.patched', 'resource.put']);

/** Of an event that was just appended: what `decodeRecord` gives, without parsing where that is certain to be the same. */
export const recordOf = (encoded: EncodedEvent, offset: number, recordedAt: number, bytes: Buffer): LogRecord => {
  if (FREE_FORM.has(encoded.event.type)) return decodeRecord(offset, bytes);
  return { offset, recordedAt, event: place(encoded.event, offset, recordedAt), bytes };
};

/** Levels of an event as JSON. Documents and raw resources have at most 100; a walk by recursion ends the stack at some thousands. */
const MAX_LEVELS = 512;
/** Shorter records cannot be nested deeply enough to hurt anybody: they are not looked through. */
const LOOKED_THROUGH_FROM = 4_096;
const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

const isTooDeep = (bytes: Buffer): boolean => {
  if (bytes.length < LOOKED_THROUGH_FROM) return false;
  let levels = 0;
  for (let at = RECORD_HEADER_BYTES, inText = false; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inText) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      if (++levels > MAX_LEVELS) return true;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) levels--;
  }
  return false;
};

/** The same of a record that was read elsewhere. */
export const readyRecordAt = (record: ReadyRecord, offset: number, bytes: Buffer): LogRecord => {
  const { event, recordedAt, unreadable } = record;
  if (event === undefined) return { offset, recordedAt, event, unreadable: unreadable ?? 'no reason given', bytes };
  return { offset, recordedAt, event: place(event, offset, recordedAt), bytes };
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Never throws: an event that cannot be read is marked so. `bytes` must be memory of its own. */
export const decodeRecord = (offset: number, bytes: Buffer, registry?: UpcastRegistry): LogRecord => {
  if (bytes.length < RECORD_HEADER_BYTES) {
    return { offset, recordedAt: 0, event: undefined, unreadable: 'the record is too short', bytes };
  }
  const recordedAt = recordedAtOf(bytes);
  if (bytes.length > MAX_RECORD_BYTES) {
    const unreadable = `the record has ${bytes.length} bytes, no event may have more than ${MAX_RECORD_BYTES}`;
    return { offset, recordedAt, event: undefined, unreadable, bytes };
  }
  if (isTooDeep(bytes)) {
    const unreadable = `nested deeper than ${MAX_LEVELS} levels`;
    return { offset, recordedAt, event: undefined, unreadable, bytes };
  }
  const parsed = parse(bytes.toString('utf8', RECORD_HEADER_BYTES));
  const { event, unreadable } = parsed === undefined ? { unreadable: 'not JSON' } : upcast(parsed, registry);
  if (event === undefined) return { offset, recordedAt, event, unreadable, bytes };
  return { offset, recordedAt, event: place(event, offset, recordedAt), bytes };
};
