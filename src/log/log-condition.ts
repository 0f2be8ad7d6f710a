/** Whether a log can be reached and is complete here; for health, readiness and writers. */

export interface LogCondition {
  /**
   * `live`: everything that is in the log is here. `catching-up`: it is being fetched. `away`: the log cannot be reached; what is
   * here is served. `broken`: it can, but what follows here is not in it (code says why); nothing further is read.
   */
  readonly state: 'live' | 'catching-up' | 'away' | 'broken';
  readonly code?: string;
  readonly message?: string;
  readonly remedy?: string;
  /** ms since the epoch: begin of `away`, `broken` or `catching-up`. */
  readonly sinceMs?: number;
  /** Records known to be in the log and not here. */
  readonly behind?: number;
  /** Of `catching-up`: this process has never been complete. */
  readonly atStart?: boolean;
  /** Settings of the log that work but are not advised. */
  readonly warnings?: readonly string[];
}

export const LIVE: LogCondition = { state: 'live' };
