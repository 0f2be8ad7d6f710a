/** Finds an Envoy and runs one as a sidecar. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { packageRoot } from '../../runtime/index.ts';
import { atExit } from './at-exit.ts';

const executable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** `TENDRIL_ENVOY`, the one fetched by `npm run fetch:parts`, or the one on PATH. */
export const findEnvoy = (env: Readonly<Record<string, string | undefined>>): string | undefined => {
  const parts = join(packageRoot, '.cache/parts/envoy');
  const fetched = existsSync(parts)
    ? readdirSync(parts, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name === 'envoy')
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    : [];
  const onPath = (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'envoy'));
  return [env.TENDRIL_ENVOY, ...fetched, ...onPath].find(
    (file) => file !== undefined && file !== '' && executable(file),
  );
};

/** Runs the project's own fetch script when this is a checkout; false when there is none, it failed, or was stopped. */
export const fetchEnvoy = (signal: AbortSignal): Promise<boolean> =>
  new Promise((done) => {
    const script = join(packageRoot, 'scripts/fetch-parts.mjs');
    if (!existsSync(script)) return done(false);
    const child = spawn(process.execPath, [script, 'envoy'], { stdio: ['ignore', 'inherit', 'inherit'], signal });
    child.once('error', () => done(false));
    child.once('exit', (code) => done(code === 0));
  });

export interface SidecarProcess {
  readonly pid: number | undefined;
  /** Last lines Envoy wrote, for when it does not start. */
  output(): string;
  stop(): Promise<void>;
}

/** Starts one Envoy with its bootstrap in a temporary directory of its own. */
export const startEnvoySidecar = (binary: string, bootstrap: Readonly<Record<string, unknown>>): SidecarProcess => {
  const folder = mkdtempSync(join(tmpdir(), 'tendril-envoy-'));
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, JSON.stringify(bootstrap));
  const child: ChildProcess = spawn(
    binary,
    ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'warning', '--drain-time-s', '2'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let lines = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    lines = (lines + chunk.toString('utf8')).slice(-4_000);
  });
  let gone = false;
  const forget = atExit(() => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const ended = new Promise<void>((done) => {
    const finish = (): void => {
      gone = true;
      forget();
      rmSync(folder, { recursive: true, force: true });
      done();
    };
    child.once('exit', finish);
    child.once('error', (error) => {
      lines += String(error);
      finish();
    });
  });
  return {
    pid: child.pid,
    output: () => lines,
    stop: async () => {
      if (gone) return;
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), 3_000);
      await ended;
      clearTimeout(hard);
    },
  };
};
