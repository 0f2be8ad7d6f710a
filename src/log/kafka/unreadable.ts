/**
 * Records of the topic that are no events: kept with what was there, so that nothing is lost and every replica quarantines the same.
 * Bound: values above 256 KiB and headers above 16 KiB are kept as their SHA-256 and length.
 */
import { createHash } from 'node:crypto';
import type { ReadyRecord } from '../ready-record.ts';
import { RECORD_HEADER_BYTES } from '../record-codec.ts';
import type { KafkaRecord } from './record-batch.ts';

const MAX_VALUE_BYTES = 256 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

type Kept = string | null | { readonly sha256: string; readonly bytes: number };

const kept = (bytes: Buffer | null, most: number): Kept => {
  if (bytes === null) return null;
  if (bytes.length <= most) return bytes.toString('base64');
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length };
};

const headersOf = ({ headers }: KafkaRecord): unknown => {
  const list = headers.map(([name, value]) => [name, value === null ? null : value.toString('base64')]);
  const text = JSON.stringify(list);
  return text.length <= MAX_HEADER_BYTES ? list : kept(Buffer.from(text), 0);
};

/** `why` is a clause about the record: "its value is not JSON". Without a record: nothing of it can be had. */
export const unreadableRecord = (why: string, recordedAt: number, record?: KafkaRecord): ReadyRecord => {
  const unreadable = `the record of the topic is no event: ${why}`;
  const content =
    record === undefined
      ? { unreadable }
      : {
          unreadable,
          key: kept(record.key, MAX_HEADER_BYTES),
          headers: headersOf(record),
          value: kept(record.value, MAX_VALUE_BYTES),
        };
  const json = JSON.stringify(content);
  return { json, bytes: RECORD_HEADER_BYTES + Buffer.byteLength(json), recordedAt, event: undefined, unreadable };
};
