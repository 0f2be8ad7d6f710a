/** The application as a process: started in a group of its own, so that a Ctrl-C reaches the agent alone and nothing of it is left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { SupervisionFact } from './supervision-state.ts';

/** Shells' way: death by a signal is 128 and its number. */
const codeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0);

export class Application {
  readonly #words: readonly string[];
  readonly #tell: (fact: SupervisionFact) => void;
  #child: ChildProcess | undefined;

  constructor(words: readonly string[], tell: (fact: SupervisionFact) => void) {
    this.#words = words;
    this.#tell = tell;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Output and input are those of the agent. */
  spawn(): void {
    const [file = '', ...args] = this.#words;
    const failed = (error: unknown): void => {
      const { code, message } = error as NodeJS.ErrnoException;
      this.#tell({
        is: 'failed',
        why: code === 'ENOENT' ? `there is no program "${file}"` : (message ?? String(error)),
      });
    };
    let child: ChildProcess;
    try {
      child = spawn(file, args, { stdio: 'inherit', detached: true });
    } catch (error) {
      failed(error);
      return;
    }
    const { pid } = child;
    if (pid === undefined) {
      child.once('error', failed);
      return;
    }
    // A signal that could not be delivered: the exit says the rest.
    child.on('error', () => undefined);
    this.#child = child;
    child.once('exit', (code, signal) => {
      this.#child = undefined;
      // What it started and left behind would hold its ports.
      killGroup(pid);
      this.#tell({ is: 'exited', code: codeOf(code, signal), how: signal ?? `exit code ${code}` });
    });
    this.#tell({ is: 'started', pid });
  }

  /** To the process alone: it knows what to do with those that it started. SIGKILL: to all of them. */
  signal(signal: NodeJS.Signals): void {
    const child = this.#child;
    if (child?.pid === undefined) return;
    if (signal === 'SIGKILL') killGroup(child.pid);
    else child.kill(signal);
  }
}

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
};
