/**
 * `clean.json`: written when an environment is closed in order, removed when a writer opens it. It lies beside the database and
 * not in it, because it must be readable without mapping a file that may be damaged. It holds the file's size and a checksum of
 * LMDB's meta pages, so one that does not belong to this file counts as absent.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from './crc32.ts';

/** Holds both meta pages, for every page size up to 32 KiB. */
const HEAD_BYTES = 65_536;
const MAGIC = 0xbeefc0de;
/** Where `mm_magic` lies: behind the page header of lmdb-js' LMDB. */
const MAGIC_AT = 24;

/** What can be told about a data file without LMDB. */
export interface FileFacts {
  readonly size: number;
  /** Checksum of the head with both meta pages, which change with every commit. */
  readonly meta: number;
  /** False when the first page is no meta page of LMDB. */
  readonly isLmdb: boolean;
}

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
    return { size, meta: crc32(head.subarray(0, length)), isLmdb: head.readUInt32LE(MAGIC_AT) === MAGIC };
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
