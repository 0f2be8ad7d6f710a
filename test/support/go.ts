/** Go programs that tests run beside the ones of Node. Go is no part of the project: without it a suite is skipped, loudly. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** No other tool chain is fetched because `go.mod` asks for a newer one. */
const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly -buildvcs=false' };

const go = (folder: string, ...args: readonly string[]) =>
  spawnSync('go', args, { cwd: folder, env, encoding: 'utf8' });

/** For `suite(name, { skip: requireGo(folder) }, …)`: false when Go is there and has the modules of the folder; else the reason. */
export const requireGo = (folder: string): string | false => {
  const { error, status, stderr } = go(folder, 'mod', 'download');
  if (status === 0) return false;
  const reason = `SKIPPED: ${error === undefined ? stderr.trim().split('\n')[0] : 'there is no Go'}`;
  process.stderr.write(`\n*** ${reason} ***\n`);
  return reason;
};

export interface GoProgram {
  readonly path: string;
  remove(): void;
}

/** Compiles the folder's program; throws with the compiler's words. The first time takes a minute or two. */
export const buildGo = (folder: string): GoProgram => {
  const out = mkdtempSync(join(tmpdir(), 'tendril-go-'));
  const path = join(out, 'program');
  const { status, stderr } = go(folder, 'build', '-o', path, '.');
  if (status !== 0) throw new Error(stderr);
  return { path, remove: () => rmSync(out, { recursive: true, force: true }) };
};
