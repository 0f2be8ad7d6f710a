/**
 * Whether an application is ready, or alive, from single results of a probe. Pure.
 *
 * Invariants (cited by test/sidecar-client/register/verdict.test.ts):
 * V1 Nothing is `up` before the first success, and nothing `down` that was not `up` before: an application that starts is `unknown`.
 * V2 `up` becomes `down` at the last of `failures` failures in a row, not before; a success in between begins the count anew.
 * V3 `unknown` and `down` become `up` at the last of `successes` successes in a row.
 */
export interface Thresholds {
  /** Failures in a row until it is down. */
  readonly failures: number;
  /** Successes in a row until it is up. */
  readonly successes: number;
}

export const DEFAULT_THRESHOLDS: Thresholds = { failures: 3, successes: 1 };

export interface Verdict {
  readonly is: 'unknown' | 'up' | 'down';
  /** Failures in a row up to now; 0 after a success. */
  readonly failures: number;
  /** Successes in a row up to now; 0 after a failure. */
  readonly successes: number;
}

export const UNKNOWN: Verdict = { is: 'unknown', failures: 0, successes: 0 };

/** The verdict after one more result. */
export const nextVerdict = (before: Verdict, ok: boolean, thresholds: Thresholds = DEFAULT_THRESHOLDS): Verdict => {
  const failures = ok ? 0 : before.failures + 1;
  const successes = ok ? before.successes + 1 : 0;
  const is =
    before.is === 'up'
      ? failures >= thresholds.failures
        ? 'down'
        : 'up'
      : successes >= thresholds.successes
        ? 'up'
        : before.is;
  return { is, failures, successes };
};
