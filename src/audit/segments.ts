/**
 * Files of `data/audit`: segments `audit-<first seq>.ndjson`, whose first line names mesh and the chain before their first entry, and
 * `head.json` with two points of the chain: `base` (behind what was pruned) and `head` (what the disk had for sure).
 */
import {
  closeSync,
  createReadStream,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject } from '../model/index.ts';
import type { ChainPoint } from './chain.ts';

export const AUDIT_NAME = 'audit';
const HEAD_FILE = 'head.json';

export interface Segment {
  readonly path: string;
  /** Of its first entry. */
  readonly first: number;
  /** When it was begun, ms since the epoch. */
  readonly since: number;
  readonly bytes: number;
}

export interface SegmentHeader {
  readonly mesh: string;
  readonly first: number;
  readonly time: string;
  /** Chain before its first entry. */
  readonly previous: string;
}

export interface AuditHead {
  readonly mesh: string;
  readonly base: ChainPoint;
  readonly head: ChainPoint;
}

const NAME = /^audit-([0-9]{12,16})\.ndjson$/;

export const segmentPath = (dir: string, first: number): string =>
  join(dir, `audit-${String(first).padStart(12, '0')}.ndjson`);

export const headerLine = (header: SegmentHeader): string => `${JSON.stringify({ audit: 1, ...header })}\n`;

/** Undefined: the line is no header. */
export const parseHeader = (line: string): SegmentHeader | undefined => {
  const value = parseObject(line);
  if (value?.audit !== 1 || typeof value.previous !== 'string' || typeof value.mesh !== 'string') return undefined;
  return value as unknown as SegmentHeader;
};

/** Undefined: the line is no JSON object. */
export const parseObject = (line: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};

const HEADER_BYTES = 1_024;

const firstLine = (path: string): { readonly line: string; readonly size: number } => {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(HEADER_BYTES);
    const length = readSync(file, head, 0, HEADER_BYTES, 0);
    const end = head.subarray(0, length).indexOf(0x0a);
    return { line: end < 0 ? '' : head.toString('utf8', 0, end), size: fstatSync(file).size };
  } finally {
    closeSync(file);
  }
};

/** True for the error of a file that is not there. */
export const isGone = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | undefined)?.code === 'ENOENT';

/** Undefined: it was removed meanwhile. */
const segmentAt = (path: string, first: number): Segment | undefined => {
  try {
    const { line, size } = firstLine(path);
    return { path, first, bytes: size, since: Date.parse(parseHeader(line)?.time ?? '') || 0 };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
};

/** Ascending. A segment's time is that of its header, 0 where it cannot be read. */
export const listSegments = (dir: string): readonly Segment[] =>
  readdirSync(dir)
    .flatMap((name) => {
      const first = Number(NAME.exec(name)?.[1]);
      return Number.isNaN(first) ? [] : [{ path: join(dir, name), first }];
    })
    .sort((a, b) => a.first - b.first)
    .flatMap(({ path, first }) => segmentAt(path, first) ?? []);

/** Undefined: there is none, or it cannot be read as one. */
export const readHead = (dir: string): AuditHead | undefined => {
  try {
    const head = parseObject(readFileSync(join(dir, HEAD_FILE), 'utf8'));
    return isObject(head?.base) && isObject(head.head) ? (head as unknown as AuditHead) : undefined;
  } catch {
    return undefined;
  }
};

/** Replaces it whole: a crash leaves the old one or the new one. */
export const writeHead = async (dir: string, head: AuditHead): Promise<void> => {
  const next = join(dir, `${HEAD_FILE}.next`);
  const file = await open(next, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(head)}\n`);
    await file.datasync();
  } finally {
    await file.close();
  }
  renameSync(next, join(dir, HEAD_FILE));
};

export interface SegmentLines {
  readonly lines: readonly string[];
  /** Bytes of the segment up to the end of the last of them. */
  readonly end: number;
}

const CHUNK_BYTES = 256 * 1024;

/** Complete lines of a segment, some hundred at a time, without their line ends; only its first `bytes` are read. */
export async function* segmentLines(path: string, bytes: number): AsyncGenerator<SegmentLines> {
  if (bytes === 0) return;
  let rest = Buffer.alloc(0);
  let read = 0;
  for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: CHUNK_BYTES })) {
    const bytesNow = Buffer.concat([rest, chunk as Buffer]);
    read += (chunk as Buffer).length;
    const last = bytesNow.lastIndexOf(0x0a);
    rest = bytesNow.subarray(last + 1);
    if (last < 0) continue;
    yield { lines: bytesNow.toString('utf8', 0, last).split('\n'), end: read - rest.length };
  }
}
