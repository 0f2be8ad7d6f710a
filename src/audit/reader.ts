/** Pages of the audit, read from its segments; between two chunks others have a turn. */
import type { AuditEntry } from './entry.ts';
import { parseObject, type Segment, segmentLines } from './segments.ts';

export interface AuditQuery {
  /** First entry wanted; undefined: the last `limit` entries that fit. */
  readonly from?: number | undefined;
  readonly who?: string | undefined;
  /** Of the refusal. */
  readonly code?: string | undefined;
  /** Only refused writes, and what was counted of them. */
  readonly refused?: boolean | undefined;
  /** Only entries from this time on, ms since the epoch. */
  readonly since?: number | undefined;
  /** Most rows. */
  readonly limit: number;
}

export interface AuditPage {
  /** Ascending. */
  readonly entries: readonly AuditEntry[];
  /** Where to go on; undefined: the end was reached. */
  readonly next: number | undefined;
  /** False: the bound of one look was reached before as many were found. */
  readonly complete: boolean;
}

/** Bytes that one look reads. */
const MAX_READ = 64 * 1024 * 1024;

const fits = (entry: AuditEntry, query: AuditQuery): boolean => {
  if (entry.seq < (query.from ?? 0)) return false;
  if (query.since !== undefined && Date.parse(entry.time) < query.since) return false;
  const row = entry as { readonly who?: string; readonly code?: string };
  if (query.who !== undefined && row.who !== query.who) return false;
  if (query.code !== undefined && row.code !== query.code) return false;
  return query.refused !== true || entry.kind === 'more' || (entry.kind === 'write' && entry.result === 'refused');
};

/** Lines that cannot be read are left out: `verify` names them. */
const entriesOf = function* (lines: readonly string[]): Generator<AuditEntry> {
  for (const line of lines) {
    const value = parseObject(line);
    if (typeof value?.seq === 'number') yield value as unknown as AuditEntry;
  }
};

const forward = async (segments: readonly Segment[], head: number, query: AuditQuery): Promise<AuditPage> => {
  const from = query.from ?? 1;
  const entries: AuditEntry[] = [];
  let read = 0;
  for (const [index, { path, bytes }] of segments.entries()) {
    if ((segments[index + 1]?.first ?? Number.POSITIVE_INFINITY) <= from) continue;
    for await (const { lines } of segmentLines(path, bytes)) {
      for (const entry of entriesOf(lines)) {
        if (entries.length >= query.limit || (read > MAX_READ && entry.seq >= from))
          return { entries, next: entry.seq, complete: entries.length >= query.limit };
        if (fits(entry, query)) entries.push(entry);
      }
      read += lines.reduce((sum, line) => sum + line.length, 0);
    }
  }
  const last = entries.at(-1)?.seq ?? from - 1;
  return { entries, next: last > head ? last : undefined, complete: true };
};

const backward = async (segments: readonly Segment[], query: AuditQuery): Promise<AuditPage> => {
  let entries: AuditEntry[] = [];
  let read = 0;
  for (const { path, bytes, first } of [...segments].reverse()) {
    let own: AuditEntry[] = [];
    let isOld = false;
    for await (const { lines } of segmentLines(path, bytes)) {
      for (const entry of entriesOf(lines)) {
        if (fits(entry, query)) own.push(entry);
        isOld ||= query.since !== undefined && Date.parse(entry.time) < query.since;
      }
      own = own.slice(-query.limit);
    }
    entries = [...own, ...entries].slice(-query.limit);
    read += bytes;
    if (entries.length >= query.limit || isOld) break;
    if (read > MAX_READ && first > (segments[0]?.first ?? 0)) return { entries, next: undefined, complete: false };
  }
  return { entries, next: undefined, complete: true };
};

/** @param head number of the last entry */
export const readPage = (segments: readonly Segment[], head: number, query: AuditQuery): Promise<AuditPage> =>
  query.from === undefined ? backward([...segments], query) : forward([...segments], head, query);
