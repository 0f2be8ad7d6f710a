/** Checksums of a table, a slice at a time: for whoever reads a whole environment while others work with it. */
import { CHECKSUM_BYTES, isIntact, type TableKey } from './checked-record.ts';
import { LmdbBackedTable, type Table } from './table.ts';

export interface ScanOptions<K extends TableKey> {
  /** Key behind which the slice begins; undefined: at the first one. */
  readonly after?: K | undefined;
  /** Most records. */
  readonly records: number;
  /** The slice ends with the record that reaches these bytes. */
  readonly bytes: number;
  /** Told of every key, in order. */
  readonly onKey?: (key: K) => void;
  /** Told of every intact record with its body, which is good until the function returns. */
  readonly onRecord?: (key: K, body: Buffer) => void;
}

export interface Scan<K extends TableKey> {
  readonly records: number;
  readonly bytes: number;
  /** Last key; undefined: the table ended before. */
  readonly last: K | undefined;
  /** Keys whose records fail their checksum. */
  readonly bad: readonly K[];
}

/** One slice: no other turn of the event loop in between, so one short read transaction. Nothing is thrown for a bad record. */
export const scanTable = <K extends TableKey>(table: Table<K>, options: ScanOptions<K>): Scan<K> => {
  if (!(table instanceof LmdbBackedTable)) throw new TypeError(`table ${table.name} is not of an environment`);
  const { after } = options;
  const bad: K[] = [];
  let records = 0;
  let bytes = 0;
  let last: K | undefined;
  const isAfter = JSON.stringify(after);
  for (const { key, framed } of table.framed(after === undefined ? {} : { start: after as K })) {
    if (after !== undefined && last === undefined && JSON.stringify(key) === isAfter) continue;
    records++;
    bytes += framed.length;
    last = key as K;
    options.onKey?.(key as K);
    if (!isIntact(key, framed)) bad.push(key as K);
    else options.onRecord?.(key as K, framed.subarray(CHECKSUM_BYTES));
    if (records >= options.records || bytes >= options.bytes) break;
  }
  return { records, bytes, last, bad };
};
