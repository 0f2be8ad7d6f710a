/** Writing a snapshot: frames from a state that nobody changes, and from a log that may go on. */
import { createHash } from 'node:crypto';
import type { EventLog } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import { crc32, type Table, type TableKey } from '../../store/index.ts';
import { TERM_BYTES } from '../state-hash.ts';
import type { StateTables } from '../state-tables.ts';
import { nextTurn } from '../turns.ts';
import {
  FORMAT_VERSION,
  FRAME_HEAD_BYTES,
  KINDS,
  type Kind,
  MAGIC,
  MAX_FRAME_BYTES,
  type SnapshotHeader,
  STATE_PARTS,
} from './format.ts';
import { encodeRow } from './rows.ts';

/** A frame is closed when it has so many bytes; a single larger row has one of its own. */
const FRAME_BYTES = 256 * 1024;
const RECORDS_PER_READ = 512;

export interface SnapshotSource {
  readonly header: SnapshotHeader;
  /** As committed with the header's offset; not changed before the end. */
  readonly tables: StateTables;
  /** Holds the header's `log`. */
  readonly log: EventLog;
  /** Record at the header's offset; undefined at offset 0. */
  readonly tail: Uint8Array | undefined;
}

const frame = (kind: Kind, parts: readonly Uint8Array[]): Buffer => {
  const length = 1 + parts.reduce((sum, part) => sum + part.length, 0);
  if (length > MAX_FRAME_BYTES)
    throw new TendrilError('SNAPSHOT_TOO_LARGE', `a record of ${length} bytes; ${MAX_FRAME_BYTES} are allowed`, {
      remedy: 'copy the data directory of a stopped server instead',
    });
  const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + length);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt8(kind, FRAME_HEAD_BYTES);
  let at = FRAME_HEAD_BYTES + 1;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  bytes.writeUInt32LE(frameChecksum(bytes), 4);
  return bytes;
};

/** Of length, kind and body. `bytes` begins with the frame's head. */
export const frameChecksum = (bytes: Buffer): number =>
  crc32(bytes.subarray(FRAME_HEAD_BYTES), crc32(bytes.subarray(0, 4)));

/** Rows of a table in frames; between two of them no cursor is open. */
function* tableFrames(kind: Kind, table: Table<TableKey>, skip: number): Generator<Buffer> {
  let after: TableKey | undefined;
  for (;;) {
    const rows: Buffer[] = [];
    let bytes = 0;
    let last = after;
    for (const { key, body } of table.range(after === undefined ? {} : { start: after })) {
      if (after !== undefined && String(key) === String(after)) continue;
      const row = encodeRow(key, body.subarray(skip));
      rows.push(row);
      bytes += row.length;
      last = key;
      if (bytes >= FRAME_BYTES) break;
    }
    if (rows.length === 0) return;
    yield frame(kind, rows);
    after = last;
  }
}

async function* logFrames(source: SnapshotSource): AsyncGenerator<Buffer> {
  const { log, header } = source;
  if (header.log === undefined || header.log.last < header.log.first) return;
  const { first, last } = header.log;
  for await (const records of log.read({ from: first, maxBatch: RECORDS_PER_READ })) {
    const rows = records.filter(({ offset }) => offset <= last).map(({ offset, bytes }) => encodeRow(offset, bytes));
    if (rows.length > 0) yield frame(KINDS.log, rows);
    if ((records.at(-1)?.offset ?? last) >= last) return;
  }
}

async function* frames(source: SnapshotSource): AsyncGenerator<Buffer> {
  const { header, tables, tail } = source;
  yield frame(KINDS.header, [Buffer.from(JSON.stringify(header))]);
  if (tail !== undefined) yield frame(KINDS.tail, [encodeRow(header.offset, tail)]);
  for (const part of STATE_PARTS) {
    if (header.counts[part] === undefined) continue;
    yield* tableFrames(KINDS[part], tables[part] as unknown as Table<TableKey>, part === 'entity' ? TERM_BYTES : 0);
  }
  yield* logFrames(source);
}

/** The whole stream, piece by piece; each is made when it is asked for, in a turn of its own. */
export async function* snapshotBytes(source: SnapshotSource): AsyncGenerator<Buffer> {
  const sum = createHash('sha256');
  const version = Buffer.alloc(4);
  version.writeUInt32LE(FORMAT_VERSION);
  const start = Buffer.concat([MAGIC, version]);
  sum.update(start);
  yield start;
  for await (const bytes of frames(source)) {
    sum.update(bytes);
    yield bytes;
    await nextTurn();
  }
  yield frame(KINDS.end, [Buffer.from(JSON.stringify({ sha256: sum.digest('hex') }))]);
}
