/** One command of the CLI. */
import type { Options } from './arguments.ts';

export interface Io {
  /** One line (or several) of output, to stdout. An empty text prints nothing. */
  readonly out: (text: string) => void;
  /** Advice, progress, warnings, to stderr. */
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readStdin: () => Promise<Uint8Array>;
  /** Standard input piece by piece, for what may be large. */
  readonly stdin: () => AsyncIterable<Uint8Array>;
  /** Bytes to stdout; resolves when more may be written. */
  readonly outBytes: (bytes: Uint8Array) => Promise<void>;
  /** Aborted at the first Ctrl-C, for commands that end by themselves (`CommandEntry.ends`). */
  readonly signal: AbortSignal;
  readonly now: () => number;
}

export interface Command {
  /** Without the leading `tendril`. */
  readonly usage: string;
  readonly options: Options;
  /** Lines under "Options:". */
  readonly help: readonly string[];
  /** Lines under "Examples:", each a command. */
  readonly examples?: readonly string[];
  /** Resolves with the exit code: 0 ok, 1 error, 2 changes or findings. */
  readonly run: (argv: readonly string[], io: Io) => Promise<number>;
}

/** A command in the list of commands; its code is loaded when it is called, so that small ones start fast. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /**
   * What a signal does: `at-once` ends the process (nothing of its own is left half done); `in-order` aborts `Io.signal`, and
   * the command ends what it started.
   */
  readonly ends: 'at-once' | 'in-order';
  /** A signal that the command handles itself instead. */
  readonly passes?: 'SIGHUP';
  readonly load: () => Promise<Command>;
}
