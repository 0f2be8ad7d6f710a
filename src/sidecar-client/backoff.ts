/** Waiting before the next connection attempt: exponential, full jitter, so ten thousand clients do not come back at once. */
export interface BackoffOptions {
  /** Upper end of the first wait, ms. */
  readonly baseMs: number;
  /** Upper end of every later wait, ms. */
  readonly maxMs: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 200, maxMs: 5_000 };

/** `attempt`: failures since the last success, 0, 1, 2, …; `random`: [0, 1). Returns ms. */
export const backoffMs = (
  attempt: number,
  random: () => number,
  { baseMs, maxMs }: BackoffOptions = DEFAULT_BACKOFF,
): number => Math.floor(random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30)));
