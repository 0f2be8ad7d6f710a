/** The folder that a run writes into: made and tried before the run, since what was measured would be lost with it. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TendrilError } from '../../src/model/index.ts';

const refused = (dir: string, why: string): TendrilError =>
  new TendrilError('USAGE', `bench sim: --out ${dir}: ${why}`, { remedy: '--out DIR, a folder that can be written' });

const isFolder = (path: string): boolean | undefined => statSync(path, { throwIfNoEntry: false })?.isDirectory();

/** Throws `USAGE`. Folder by folder: Node's recursive `mkdir` never ends below `/proc`. */
export const makeFolder = (dir: string): void => {
  const missing: string[] = [];
  let path = resolve(dir);
  try {
    for (; isFolder(path) === undefined && dirname(path) !== path; path = dirname(path)) missing.unshift(path);
  } catch (error) {
    // A part of it is a file, or may not be looked into.
    throw refused(dir, error instanceof Error ? error.message : String(error));
  }
  if (isFolder(path) === false) throw refused(dir, `${path} is a file`);
  try {
    for (const folder of missing) mkdirSync(folder);
    accessSync(resolve(dir), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw refused(dir, error instanceof Error ? error.message : String(error));
  }
};
