/** Programs that are no npm packages: found where scripts/fetch-parts.mjs puts them, fetched when missing. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from './root.ts';

export type PartName = 'envoy' | 'kafka';

const partsDir = join(repositoryRoot, '.cache/parts');
/** After a failed fetch, other test files do not try again for so long. */
const RETRY_MS = 10 * 60_000;

const runnable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const found = new Map<PartName, string | undefined>();

/** Path of the program, or undefined. `TENDRIL_<NAME>` (`TENDRIL_ENVOY`) overrides; otherwise it is fetched when it is not there. */
export function partPath(name: PartName): string | undefined {
  if (found.has(name)) return found.get(name);
  const override = process.env[`TENDRIL_${name.toUpperCase()}`];
  let path: string | undefined;
  if (override !== undefined && override !== '') {
    if (!runnable(override)) throw new Error(`TENDRIL_${name.toUpperCase()} is ${override}, which cannot be run`);
    path = override;
  } else {
    const program = join(partsDir, name, name);
    const failed = join(partsDir, `.${name}-missing`);
    const lately = Date.now() - (statSync(failed, { throwIfNoEntry: false })?.mtimeMs ?? 0) < RETRY_MS;
    if (!runnable(program) && !lately) {
      spawnSync(process.execPath, [join(repositoryRoot, 'scripts/fetch-parts.mjs'), name], { stdio: ['ignore', 2, 2] });
      if (!runnable(program)) {
        mkdirSync(partsDir, { recursive: true });
        writeFileSync(failed, '');
      }
    }
    path = runnable(program) ? program : undefined;
  }
  found.set(name, path);
  return path;
}

/**
 * For `test(name, { skip: requirePart('envoy') }, …)`: false when the part is there; otherwise the reason to skip, also told loudly
 * on stderr. With CI=true a missing part is a failure: throws.
 */
export function requirePart(name: PartName): string | false {
  if (partPath(name) !== undefined) return false;
  const reason = `SKIPPED: no ${name}. Run: npm run fetch:parts`;
  if (process.env.CI === 'true')
    throw new Error(`${name} is missing and CI=true: nothing may be skipped. Run: npm run fetch:parts`);
  process.stderr.write(`\n*** ${reason} ***\n`);
  return reason;
}
