/** What can be told of a data file by its first bytes, without LMDB, which damage there may kill. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from './crc32.ts';
import type { CommitMode } from './lmdb-root.ts';

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
   * The newest meta page, and the other one: it places the end of the file inside the map and the list of free pages inside the file,
   * and the list of tables is there as a whole. Only a writer uses the first two: the check would not see that it would die by SIGSEGV.
   * Of a page that is cut the system shows the rest as zeros: tables that are empty.
   */
  readonly newestFits: boolean;
  readonly otherFits: boolean;
}

const pagesFit = (head: Buffer, meta: number, pageSize: number, size: number): boolean => {
  const last = head.readBigUInt64LE(meta + LAST_PAGE_AT);
  const freeRoot = head.readBigUInt64LE(meta + FREE_ROOT_AT);
  const mainRoot = head.readBigUInt64LE(meta + MAIN_ROOT_AT);
  return (
    last * BigInt(pageSize) < head.readBigUInt64LE(meta + MAP_SIZE_AT) &&
    (freeRoot <= last || freeRoot === NO_PAGE) &&
    (mainRoot === NO_PAGE || (mainRoot + 1n) * BigInt(pageSize) <= BigInt(size))
  );
};

const NOT_LMDB = { isLmdb: false, metasFollow: false, newestFits: false, otherFits: false };

const readHead = (head: Buffer, size: number): Omit<FileFacts, 'size' | 'meta'> => {
  const pageSize = head.readUInt32LE(PAGE_SIZE_AT);
  const isPageSize = pageSize >= 512 && pageSize <= 65_536 && (pageSize & (pageSize - 1)) === 0;
  if (head.readUInt32LE(MAGIC_AT) !== MAGIC || !isPageSize) return NOT_LMDB;
  const [even, odd] = [head.readBigUInt64LE(TXN_ID_AT), head.readBigUInt64LE(pageSize + TXN_ID_AT)];
  const isNew = even === 0n && odd === 0n;
  const newest = odd > even ? pageSize : 0;
  return {
    isLmdb: true,
    metasFollow: isNew || (even % 2n === 0n && (odd === even + 1n || odd === even - 1n)),
    newestFits: pagesFit(head, newest, pageSize, size),
    otherFits: pagesFit(head, pageSize - newest, pageSize, size),
  };
};

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

export interface HeadProblem {
  readonly what: string;
  readonly where: string;
}

/** Why the file must not be opened. In mode `visible` one good meta page is enough: a power cut may have left that one alone. */
export const headProblem = (facts: FileFacts, mode: CommitMode): HeadProblem | undefined => {
  if (!facts.isLmdb) return { what: 'data.mdb is not an LMDB file', where: 'its first page' };
  if (mode === 'durable' && !facts.metasFollow)
    return { what: 'its meta pages contradict each other', where: 'its head' };
  if (facts.newestFits || (mode === 'visible' && facts.otherFits)) return undefined;
  return { what: 'its meta page points outside of it', where: 'its head' };
};

/** The same of a file by its path; undefined also when there is no data yet. */
export const headProblemOf = (dataFile: string, mode: CommitMode): HeadProblem | undefined => {
  const facts = factsOf(dataFile);
  return facts === undefined ? undefined : headProblem(facts, mode);
};
