/** `tendril bench sim`: options in, a run, three files and a few lines out. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkFiles, optionsOf } from './options.ts';
import { makeFolder } from './out-folder.ts';
import { PROFILES } from './profiles.ts';
import { writeReports } from './report/index.ts';
import type { SimResult } from './result.ts';
import { summaryLines, summaryMarkdown, summaryOfRuns } from './runs.ts';
import { summaryOf } from './summary.ts';

export interface SimulateIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly signal: AbortSignal;
  readonly version: () => Promise<string>;
  readonly isTerminal: boolean;
}

const FAILED = 1;
const INTERRUPTED = 130;

/**
 * Exit code: 0 when the run came to its end, 130 after Ctrl-C, else 1. Throws `USAGE` before anything starts: what cannot be, and a folder
 * that cannot be written.
 */
export const simulate = async (argv: readonly string[], io: SimulateIo): Promise<number> => {
  if (argv.join(' ') === '--profile list' || argv.join(' ') === '--profile=list') {
    for (const { name, shows } of PROFILES) io.out(`${name.padEnd(18)}${shows}`);
    return 0;
  }
  const asked = optionsOf(argv);
  const { options, runs } = asked;
  checkFiles(options);
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${options.profile}`;
  const dir = asked.out ?? join('tendril-bench', name);
  makeFolder(dir);
  // With few open files allowed, its packages could not be loaded.
  const { runSimulation } = await import('./run.ts');
  if (options.mode === 'full-mesh' && !argv.some((word) => word.startsWith('--sidecars')))
    io.err(`full-mesh: ${options.sidecars} sidecars unless --sidecars says otherwise, since each holds the whole mesh`);
  const command = ['tendril bench sim', ...argv].join(' ');
  io.err(`${options.profile}: ${asked.profile.shows}`);
  const run = async (into: string): Promise<{ readonly result: SimResult; readonly code: number }> => {
    makeFolder(into);
    const result = await runSimulation({
      ...asked,
      command,
      version: await io.version(),
      signal: io.signal,
      progress: io.err,
      everyMs: io.isTerminal ? 1_000 : 10_000,
    });
    return { result, code: await keep(into, result, io) };
  };
  if (runs === 1) return (await run(dir)).code;
  const results: SimResult[] = [];
  let code = 0;
  for (let number = 1; number <= runs && !io.signal.aborted; number++) {
    io.err(`run ${number} of ${runs}`);
    const one = await run(join(dir, String(number)));
    results.push(one.result);
    code = Math.max(code, one.code);
  }
  const summary = summaryOfRuns(results);
  for (const line of summaryLines(summary)) io.out(line);
  const isWritten = await written(dir, io, async () => {
    await writeFile(join(dir, 'summary.json'), `${JSON.stringify(summary, null, 1)}\n`);
    await writeFile(join(dir, 'summary.md'), summaryMarkdown(summary));
  });
  if (isWritten) io.out(`summary    ${join(dir, 'summary.md')}`);
  return isWritten ? code : Math.max(code, FAILED);
};

/** False, and a line that says why: a disk that became full, for one. What was measured has been printed before. */
const written = async (dir: string, io: SimulateIo, write: () => Promise<void>): Promise<boolean> => {
  try {
    await write();
    return true;
  } catch (error) {
    io.err(`bench sim: ${dir} could not be written: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
};

/** Says what a run left, writes it, and gives the exit code. */
const keep = async (dir: string, result: SimResult, io: SimulateIo): Promise<number> => {
  for (const line of summaryOf(result)) io.out(line);
  const isWritten = await written(dir, io, async () => {
    await writeFile(join(dir, 'result.json'), `${JSON.stringify(result, null, 1)}\n`);
    const { html } = await writeReports(dir, result);
    io.out(`report     ${html}`);
  });
  const { status, message, log = [] } = result.outcome;
  if (status === 'complete') return isWritten ? 0 : FAILED;
  const why =
    status === 'interrupted' ? ['interrupted', message ?? ''].filter((part) => part !== '').join('; ') : message;
  io.err(`bench sim: ${why ?? status}${isWritten ? `; what was measured until then is kept in ${dir}` : ''}`);
  for (const line of log) io.err(`  server: ${line}`);
  return status === 'interrupted' ? INTERRUPTED : FAILED;
};
