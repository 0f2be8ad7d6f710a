/** Helpers of the tests of store and log. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { TendrilError } from '../../src/model/index.ts';

/** A directory that goes when the test ends. */
export const temporaryDirectory = (context: TestContext): string => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-test-'));
  context.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

export const hasCode =
  (code: string, ...words: readonly string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof TendrilError, `TendrilError ${code} expected, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    for (const word of words)
      assert.ok(`${error.message} ${error.remedy}`.includes(word), `"${word}" missing: ${error.message}`);
    return true;
  };

/** Small, seeded, good enough for choosing places and moments (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** A new seed, printed, or the one in TENDRIL_SEED. */
export const chooseSeed = (context: TestContext): number => {
  const seed = Number(process.env.TENDRIL_SEED ?? Math.floor(Math.random() * 2 ** 31));
  context.diagnostic(`seed ${seed} (repeat with TENDRIL_SEED=${seed})`);
  return seed;
};

/** Starts a module of the tests (compiled beside this one); killed when the test ends. */
export const startChild = (context: TestContext, module: URL, args: readonly string[]): ChildProcess => {
  const child = fork(module, args, { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  context.after(() => child.kill('SIGKILL'));
  return child;
};

/** The next message of a child; rejects when it ends first. */
export const nextMessage = (child: ChildProcess): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the child ended without a message'));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });

/** A small disk of its own, or why there is none: mounting needs root and a system that allows it. */
export const smallDisk = (
  context: TestContext,
  mebibytes: number,
  ...options: readonly string[]
): { path: string } | { why: string } => {
  const path = mkdtempSync(join(tmpdir(), 'tendril-disk-'));
  const list = [`size=${mebibytes}m`, 'mode=0700', ...options].join(',');
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', list, 'tmpfs', path], {
    encoding: 'utf8',
  });
  context.after(() => {
    if (status === 0) spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  });
  return status === 0 ? { path } : { why: `no tmpfs can be mounted here: ${error?.message ?? stderr.trim()}` };
};

/** Skips, and says so where nobody overlooks it. */
export const skipLoudly = (context: TestContext, why: string): void => {
  process.stderr.write(`SKIPPED: ${context.name}: ${why}\n`);
  context.skip(why);
};
