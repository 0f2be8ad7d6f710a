/**
 * One record of an event log as a line of JSON (`tendril log dump`): `{offset, recordedAt, event}`. Where the record's bytes are not the
 * event as `JSON.stringify` writes it, they are added as `bytes` (base64), and when it is no event at all they stand alone, with
 * `unreadable`: so every line gives back exactly the bytes it was made from, and with them the hash chain.
 */
import { isObject } from './documents/json.ts';
import { TendrilError } from './finding.ts';

const HEADER_BYTES = 8;

/** A record as it comes out of a log; its first eight bytes are `recordedAt`, big endian. */
export interface LineRecord {
  readonly offset: number;
  readonly recordedAt: number;
  readonly bytes: Uint8Array;
  readonly unreadable?: string;
}

const toBase64 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

const fromBase64 = (text: string): Uint8Array | undefined => {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
};

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(HEADER_BYTES));
  } catch {
    return undefined;
  }
};

const parse = (text: string | undefined): unknown => {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Without the line's end. */
export const formatLogLine = ({ offset, recordedAt, bytes, unreadable }: LineRecord): string => {
  const text = bytes.length < HEADER_BYTES ? undefined : textOf(bytes);
  const event = parse(text);
  if (!isObject(event))
    return JSON.stringify({ offset, recordedAt, unreadable: unreadable ?? 'not JSON', bytes: toBase64(bytes) });
  const plain = JSON.stringify(event);
  const rest = plain === text ? '' : `,"bytes":"${toBase64(bytes)}"`;
  const why = unreadable === undefined ? '' : `,"unreadable":${JSON.stringify(unreadable)}`;
  return `{"offset":${offset},"recordedAt":${recordedAt},"event":${plain}${why}${rest}}`;
};

const refuse = (line: number, what: string): TendrilError =>
  new TendrilError('LOG_LINE', `line ${line}: ${what}`, {
    remedy: 'give the lines of `tendril log dump` as they are',
  });

export interface ParsedLogLine {
  readonly offset: number;
  /** The record as it stands in the log. */
  readonly bytes: Uint8Array;
  /** Undefined when it is unreadable. */
  readonly event: Readonly<Record<string, unknown>> | undefined;
}

/**
 * @param number of the line, from 1
 * @throws TendrilError `LOG_LINE` with the number and what is wrong
 */
export const parseLogLine = (text: string, number: number): ParsedLogLine => {
  const line = parse(text);
  if (!isObject(line)) throw refuse(number, 'is no JSON object');
  const { offset, recordedAt, event, bytes } = line;
  if (!Number.isSafeInteger(offset) || Number(offset) < 1) throw refuse(number, 'has no offset');
  if (!Number.isSafeInteger(recordedAt) || Number(recordedAt) < 0) throw refuse(number, 'has no recordedAt');
  if (event !== undefined && !isObject(event)) throw refuse(number, 'event is no object');
  if (bytes !== undefined) {
    const raw = typeof bytes === 'string' ? fromBase64(bytes) : undefined;
    if (raw === undefined) throw refuse(number, 'bytes is no base64');
    return { offset: Number(offset), bytes: raw, event };
  }
  if (event === undefined) throw refuse(number, 'has neither event nor bytes');
  const json = new TextEncoder().encode(JSON.stringify(event));
  const record = new Uint8Array(HEADER_BYTES + json.length);
  new DataView(record.buffer).setBigUint64(0, BigInt(Number(recordedAt)));
  record.set(json, HEADER_BYTES);
  return { offset: Number(offset), bytes: record, event };
};
