/** Rows of a snapshot: packed into frames, and read from them. */
import type { TableKey } from '../../store/index.ts';
import { corrupt, parseJson } from './format.ts';

const ROW_HEAD_BYTES = 8;

export interface Row {
  readonly key: TableKey;
  readonly value: Buffer;
}

/** A row in memory of its own. */
export const encodeRow = (key: TableKey, value: Uint8Array): Buffer => {
  const name = Buffer.from(JSON.stringify(key));
  const row = Buffer.allocUnsafe(ROW_HEAD_BYTES + name.length + value.length);
  row.writeUInt32LE(name.length, 0);
  row.writeUInt32LE(value.length, 4);
  name.copy(row, ROW_HEAD_BYTES);
  row.set(value, ROW_HEAD_BYTES + name.length);
  return row;
};

const isKey = (key: unknown): key is TableKey =>
  typeof key === 'string' || Number.isFinite(key) || (Array.isArray(key) && key.length > 0 && key.every(isKey));

/** Views into `body`. @throws TendrilError `SNAPSHOT_CORRUPT`. */
export function* decodeRows(body: Buffer): Generator<Row> {
  for (let at = 0; at < body.length; ) {
    if (at + ROW_HEAD_BYTES > body.length) throw corrupt('a row is cut');
    const name = at + ROW_HEAD_BYTES;
    const value = name + body.readUInt32LE(at);
    const end = value + body.readUInt32LE(at + 4);
    if (end > body.length) throw corrupt('a row is cut');
    const key = parseJson(body.subarray(name, value));
    if (!isKey(key)) throw corrupt('a row has no key');
    yield { key, value: body.subarray(value, end) };
    at = end;
  }
}
