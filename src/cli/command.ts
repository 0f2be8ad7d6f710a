/** One command of the CLI. */
import type { Options } from './arguments.ts';

export interface Io {
  /** One line (or several) of output, to stdout. */
  readonly out: (text: string) => void;
  /** Advice, progress, warnings, to stderr. */
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readStdin: () => Promise<string>;
  /** Aborted at the first Ctrl-C. */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Without the leading `tendril`. */
  readonly usage: string;
  readonly options: Options;
  /** Lines under "Options:". */
  readonly help: readonly string[];
  /** Resolves with the exit code: 0 ok, 1 error, 2 changes or findings. */
  readonly run: (argv: readonly string[], io: Io) => Promise<number>;
}
