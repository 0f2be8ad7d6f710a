/**
 * `clean.json`: written when an environment is closed in order, removed when a writer opens it. It lies beside the database and
 * not in it, because it must be readable without mapping a file that may be damaged. It holds the file's size and a checksum of
 * LMDB's meta pages, so one that does not belong to this file counts as absent.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from './crc32.ts';

/** Holds both meta pages, for every page size up to 64 KiB. */
const HEAD_BYTES = 131_072;
/** Fields of a meta page of lmdb-js' LMDB (`MDB_meta` in mdb.c, behind a page header of 24 bytes). */
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const MAP_SIZE_AT = 40;
const FREE_ROOT_AT = 88;
const MAIN_ROOT_AT = 136;
const LAST_PAGE_AT = 144;
const TXN_ID_AT = 152;
/** Root of an empty tree. */
const NO_PAGE = 2n ** 64n - 1n;

/** What can be told about a data file without LMDB. */
export interface FileFacts {
  readonly size: number;
  /** Checksum of the head with both meta pages, which change with every commit. */
  readonly meta: number;
  /** False when the first page is no meta page of LMDB. */
  readonly isLmdb: boolean;
  /**
   * LMDB writes its two meta pages in turn, so their transactions are neighbours. If they are not, one of them is damaged, and
   * LMDB might silently go back by a commit. (Not so in mode `visible`: there it goes back on purpose after a power cut.)
   */
  readonly metasFollow: boolean;
  /**
   * The newest meta page places the end of the file inside the map and the list of free pages inside the file; the list of tables is
   * there as a whole. The check reads neither of the first two, as only a writer uses them: it would die by SIGSEGV. Of a page that is
   * cut the system shows the rest as zeros: tables that are empty.
   */
  readonly pagesFit: boolean;
}

const readHead = (head: Buffer, size: number): Omit<FileFacts, 'size' | 'meta'> => {
  const pageSize = head.readUInt32LE(PAGE_SIZE_AT);
  const isPageSize = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0;
  if (head.readUInt32LE(MAGIC_AT) !== MAGIC || !isPageSize)
    return { isLmdb: false, metasFollow: false, pagesFit: false };
  const [even, odd] = [head.readBigUInt64LE(TXN_ID_AT), head.readBigUInt64LE(pageSize + TXN_ID_AT)];
  const isNew = even === 0n && odd === 0n;
  const newest = odd > even ? pageSize : 0;
  const last = head.readBigUInt64LE(newest + LAST_PAGE_AT);
  const freeRoot = head.readBigUInt64LE(newest + FREE_ROOT_AT);
  const mainRoot = head.readBigUInt64LE(newest + MAIN_ROOT_AT);
  return {
    isLmdb: true,
    metasFollow: isNew || (even % 2n === 0n && (odd === even + 1n || odd === even - 1n)),
    pagesFit:
      last * BigInt(pageSize) < head.readBigUInt64LE(newest + MAP_SIZE_AT) &&
      (freeRoot <= last || freeRoot === NO_PAGE) &&
      (mainRoot === NO_PAGE || (mainRoot + 1n) * BigInt(pageSize) <= BigInt(size)),
  };
};

const markerPath = (dataFile: string): string => join(dirname(dataFile), 'clean.json');

/** Undefined when there is no data yet. */
export const factsOf = (dataFile: string): FileFacts | undefined => {
  let file: number;
  try {
    file = openSync(dataFile, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size === 0) return undefined;
    const head = Buffer.alloc(HEAD_BYTES);
    const length = readSync(file, head, 0, HEAD_BYTES, 0);
    return { size, meta: crc32(head.subarray(0, length)), ...readHead(head, size) };
  } finally {
    closeSync(file);
  }
};

/** True when the environment was closed in order and its file has not changed since. */
export const isClean = (dataFile: string, facts: FileFacts): boolean => {
  try {
    const marker: unknown = JSON.parse(readFileSync(markerPath(dataFile), 'utf8'));
    const { size, meta } = (marker ?? {}) as Partial<FileFacts>;
    return size === facts.size && meta === facts.meta;
  } catch {
    return false;
  }
};

/** To be called after LMDB has closed the file. */
export const markClean = (dataFile: string): void => {
  const facts = factsOf(dataFile);
  if (facts === undefined) return;
  const file = openSync(markerPath(dataFile), 'w', 0o600);
  try {
    writeFileSync(file, `${JSON.stringify({ size: facts.size, meta: facts.meta })}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

export const removeCleanMark = (dataFile: string): void => rmSync(markerPath(dataFile), { force: true });
