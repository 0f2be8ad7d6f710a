/** What the command refuses before a run. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '../../bench/sim/out-folder.ts';
import { simulate } from '../../bench/sim/simulate.ts';
import { TendrilError } from '../../src/model/index.ts';

const withFolder = async (use: (dir: string) => void | Promise<void>): Promise<void> => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-simulate-'));
  try {
    await use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

const isUsage = (error: unknown): boolean =>
  error instanceof TendrilError && error.code === 'USAGE' && error.message.includes('--out');

test('a folder that cannot be written is refused before a run; one that is not there is made', () =>
  withFolder(async (dir) => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    const lines: string[] = [];
    const say = (line: string): void => {
      lines.push(line);
    };
    const io = { out: say, err: say, signal: AbortSignal.abort(), version: async () => 'test', isTerminal: false };
    await assert.rejects(simulate(['--out', join(file, 'x')], io), isUsage);
    assert.deepEqual(lines, [], 'nothing had begun');
    assert.throws(() => makeFolder(file), isUsage);
    assert.throws(() => makeFolder('/proc/tendril-bench/x'), isUsage);
    makeFolder(join(dir, 'a', 'b'));
    makeFolder(join(dir, 'a', 'b'));
    assert.ok(existsSync(join(dir, 'a', 'b')));
  }));
