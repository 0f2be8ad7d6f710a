/**
 * `clean.json`: written when an environment is closed in order or is at rest between two commits, removed when a
 * writer opens it or commits. It lies beside the database and
 * not in it, because it must be readable without mapping a file that may be damaged. It holds the file's size and a checksum of
 * LMDB's meta pages, so one that does not belong to this file counts as absent.
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FileFacts, factsOf } from './file-facts.ts';

const markerPath = (dataFile: string): string => join(dirname(dataFile), 'clean.json');

/** True when the environment was closed in order, or at rest, and its file has not changed since. */
export const isClean = (dataFile: string, facts: FileFacts): boolean => {
  try {
    const marker: unknown = JSON.parse(readFileSync(markerPath(dataFile), 'utf8'));
    const { size, meta } = (marker ?? {}) as Partial<FileFacts>;
    return size === facts.size && meta === facts.meta;
  } catch {
    return false;
  }
};

/** To be called when LMDB has closed the file, or has everything on disk and nothing to write. */
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
