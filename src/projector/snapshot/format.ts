/**
 * Snapshot: the state of a mesh at one offset, and the log up to it, as a stream that every later Tendril can read.
 *
 * `TENDRIL SNAPSHOT\n` · format version u32 · frames. A frame is `length u32 · CRC-32 u32 · kind u8 · body`; length counts kind and
 * body, the checksum covers length, kind and body. Numbers are little endian. Kinds come in ascending order:
 *
 * | kind | body |
 * |---|---|
 * | header, once | JSON, `SnapshotHeader` |
 * | tail, once above offset 0 | rows: offset -> the log's record there |
 * | entity, idempotency, proof, outcome, history, image, count | rows of the state's tables |
 * | log | rows: offset -> record |
 * | end, once | JSON `{sha256}` of everything in front of this frame |
 *
 * Rows are `length of key u32 · length of value u32 · key as JSON · value`, one behind the other.
 *
 * Without the log there are no outcomes, history, images and counts either: they speak of events that would not be there.
 */
import { isLogBase, type LogBase } from '../../log/index.ts';
import { isObject, TendrilError } from '../../model/index.ts';
import type { FoldBase } from '../types.ts';

export const MAGIC = Buffer.from('TENDRIL SNAPSHOT\n');
export const FORMAT_VERSION = 1;
/** Length and checksum. */
export const FRAME_HEAD_BYTES = 8;
/** No frame is longer; a length above is damage. */
export const MAX_FRAME_BYTES = 64 * 2 ** 20;

export const KINDS = {
  header: 1,
  tail: 2,
  entity: 3,
  idempotency: 4,
  proof: 5,
  outcome: 6,
  history: 7,
  image: 8,
  count: 9,
  log: 10,
  end: 15,
} as const;
export type Kind = (typeof KINDS)[keyof typeof KINDS];

/** Tables of the state that a snapshot has, by kind; the last four only with the log. */
export const STATE_PARTS = ['entity', 'idempotency', 'proof', 'outcome', 'history', 'image', 'count'] as const;
export type StatePart = (typeof STATE_PARTS)[number];
export const WITH_LOG: ReadonlySet<string> = new Set<StatePart>(['outcome', 'history', 'image', 'count']);

/** The log's part of a snapshot. */
export interface SnapshotLog {
  readonly first: number;
  /** As the snapshot's `offset`; `first - 1`: it has none. */
  readonly last: number;
  /** What stood before `first`, unless that is 1. */
  readonly base?: LogBase;
}

export interface SnapshotHeader {
  readonly mesh: string;
  /** Version of the Tendril that wrote it. */
  readonly createdBy: string;
  readonly offset: number;
  /** Of the record at `offset`, ms since the epoch. */
  readonly recordedAt: number;
  /** State hash and hash chain of the log at `offset`, hexadecimal. */
  readonly hash: string;
  readonly chain: string;
  /** SHA-256 of the record at `offset`, hexadecimal; '' at offset 0. */
  readonly tail: string;
  readonly foldVersion: number;
  readonly stateSchema: number;
  readonly logSchema: number;
  /** See `StateProof.base`. */
  readonly base?: FoldBase;
  /** Absent: written without the log. */
  readonly log?: SnapshotLog;
  /** With the log: offset at which the history begins, unless with the first event. */
  readonly historyFrom?: number;
  /** Rows of each part. */
  readonly counts: Readonly<Partial<Record<StatePart, number>>>;
}

export const corrupt = (why: string): TendrilError =>
  new TendrilError('SNAPSHOT_CORRUPT', `the snapshot is damaged or cut off: ${why}`, {
    remedy: 'fetch it again, or take an older one; nothing was changed',
  });

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const isDigest = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);

const isSnapshotLog = (value: unknown, offset: unknown): boolean =>
  value === undefined ||
  (isObject(value) &&
    isCount(value.first) &&
    value.last === offset &&
    Number(value.first) <= Number(offset) + 1 &&
    (value.base === undefined
      ? value.first === 1
      : isLogBase(value.base) && value.first === Number(value.base.offset) + 1));

const isHeader = (value: unknown): value is SnapshotHeader =>
  isObject(value) &&
  typeof value.mesh === 'string' &&
  typeof value.createdBy === 'string' &&
  [value.offset, value.recordedAt, value.foldVersion, value.stateSchema, value.logSchema].every(isCount) &&
  isDigest(value.hash) &&
  isDigest(value.chain) &&
  (value.offset === 0 ? value.tail === '' : isDigest(value.tail)) &&
  (value.base === undefined ||
    (isObject(value.base) && isCount(value.base.offset) && isCount(value.base.foldVersion))) &&
  isSnapshotLog(value.log, value.offset) &&
  (value.historyFrom === undefined || isCount(value.historyFrom)) &&
  isObject(value.counts) &&
  Object.values(value.counts).every(isCount);

/** @throws TendrilError `SNAPSHOT_CORRUPT`. */
export const decodeHeader = (body: Buffer): SnapshotHeader => {
  const value = parseJson(body);
  if (!isHeader(value)) throw corrupt('its header is not one');
  return value;
};

/** @throws TendrilError `SNAPSHOT_CORRUPT`. */
export const parseJson = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw corrupt('a part that should be JSON is not');
  }
};
