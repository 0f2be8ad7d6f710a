/** What a probe is, whichever way it looks. */

export interface ProbeResult {
  readonly ok: boolean;
  /** One line: what was found, for `why`. */
  readonly why: string;
  /** The beginning of what the application answered, of failures, at most `MAX_OUTPUT` characters. */
  readonly output?: string;
}

export interface Probe {
  /** As a person would name it: `http://127.0.0.1:8080/healthz`. */
  readonly name: string;
  /**
   * Looks once. Never rejects. When the signal is aborted (time-out, stop), whatever was opened is closed and whatever was started is
   * killed, and it resolves soon.
   */
  readonly run: (signal: AbortSignal) => Promise<ProbeResult>;
}

/** Characters of output kept of a failure. */
export const MAX_OUTPUT = 1_024;

/** Without line ends and control characters, so that it fits into one line. */
export const brief = (text: string): string =>
  text
    .slice(0, MAX_OUTPUT)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();

export const reasonOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
