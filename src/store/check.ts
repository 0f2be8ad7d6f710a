/**
 * Reads an environment through in a child process, because damage can end the process that reads it: of 20 truncated files 10
 * killed Node with SIGBUS (reference/reliability.md, finding 2).
 *
 * Extent `bounded`, used at a start after an unclean stop: of every table
 * - the whole tree, by a native walk over all leaf pages compared with the entry count (0.13 s per million records): this finds
 *   what could kill the process; left out above 4 million records, unless the file is shorter than its meta page says;
 * - checksums of the last 50,000 records, which a crash may have hurt, and of 50,000 more spread evenly (0.4 s in all).
 * Records between them are verified when they are read, as always. Extent `full` reads every checksum: `tendril verify`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { CommitMode } from './lmdb-root.ts';

export type CheckExtent = 'bounded' | 'full';

export interface CheckJob {
  /** Directory of the environment. */
  readonly path: string;
  readonly mode: CommitMode;
  readonly extent: CheckExtent;
  readonly maxReaders: number;
  readonly mapSize: number;
}

export type CheckResult =
  | {
      readonly ok: true;
      /** Records in all tables. */
      readonly records: number;
      /** Records whose checksum was compared. */
      readonly verified: number;
    }
  | {
      readonly ok: false;
      /** What is wrong. */
      readonly what: string;
      /** Table and key, or the step that was going on. */
      readonly where: string;
    };

/** What the child tells: the step it begins, or the end. */
export type CheckMessage = { readonly step: string } | { readonly result: CheckResult };

const childModule = new URL(import.meta.url.endsWith('.ts') ? './check-child.ts' : './check-child.js', import.meta.url);
const TIMEOUT_MS = 120_000;

const endOf = (code: number | null, signal: NodeJS.Signals | null, lastLine: string): string => {
  const end = signal === null ? `exit code ${code ?? 'unknown'}` : signal;
  return `the process that read it ended with ${end}${lastLine === '' ? '' : ` (${lastLine})`}`;
};

/** Last line the child wrote to stderr, at most 200 characters. */
const collectLastLine = (child: ChildProcess): (() => string) => {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-2000);
  });
  return () => (tail.trim().split('\n').at(-1) ?? '').slice(0, 200);
};

/** Never rejects: a child that cannot be started, hangs for 2 minutes (bounded) or dies is a finding too. */
export const checkEnvironment = (job: CheckJob): Promise<CheckResult> =>
  new Promise((resolve) => {
    const child = fork(childModule, [JSON.stringify(job)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const lastLine = collectLastLine(child);
    let step = 'start of the check';
    let result: CheckResult | undefined;
    let late = false;
    const timer =
      job.extent === 'full'
        ? undefined
        : setTimeout(() => {
            late = true;
            child.kill('SIGKILL');
          }, TIMEOUT_MS);
    const finish = (what: string): void => {
      clearTimeout(timer);
      resolve(result ?? { ok: false, what, where: step });
    };
    child.on('message', (message: CheckMessage) => {
      if ('step' in message) step = message.step;
      else result = message.result;
    });
    child.on('error', (error) => finish(`the checking process cannot be started: ${error.message}`));
    child.on('close', (code, signal) =>
      finish(late ? `reading it did not end within ${TIMEOUT_MS / 1000} s` : endOf(code, signal, lastLine())),
    );
  });
