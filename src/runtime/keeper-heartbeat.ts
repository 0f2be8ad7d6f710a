/**
 * When a keeper last looked, and which silence it did not believe, kept in a file: the log of a quiet mesh tells neither, and a keeper
 * that follows must not take for silence what the one before it could not see.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Blindness } from '../dependency-graph/index.ts';

const NAME = 'edge-keeper.last';

export interface LastLook {
  /** ms since the epoch. */
  readonly at: number;
  readonly blindness: Blindness;
}

const isTime = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isCaller = (row: unknown): row is readonly [string, number] =>
  Array.isArray(row) && row.length === 2 && typeof row[0] === 'string' && isTime(row[1]);

const parse = (text: string): LastLook | undefined => {
  const value = JSON.parse(text) as {
    readonly at?: unknown;
    readonly all?: unknown;
    readonly callers?: unknown;
  } | null;
  if (!isTime(value?.at) || !isTime(value.all) || !Array.isArray(value.callers)) return undefined;
  return value.callers.every(isCaller)
    ? { at: value.at, blindness: { all: value.all, callers: value.callers } }
    : undefined;
};

export class KeeperHeartbeat {
  readonly #path: string;

  constructor(dir: string) {
    this.#path = join(dir, NAME);
  }

  /** Undefined: never, or it cannot be read. */
  read(): LastLook | undefined {
    try {
      return parse(readFileSync(this.#path, 'utf8'));
    } catch {
      return undefined;
    }
  }

  /** Best effort: without it the next start only waits longer before edges expire. */
  write(at: number, { all, callers }: Blindness): void {
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify({ at, all, callers }), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch {
      // A full disk is the disk guard's matter.
    }
  }
}
