/** When an application that ended is started again, and when no more. Pure: the caller gives clock and randomness. */
import { backoffMs } from '../sidecar-client/index.ts';

export interface RestartOptions {
  /** At most `most` restarts within `windowMs`; then the agent gives up. */
  readonly most: number;
  readonly windowMs: number;
  /** Full jitter: the first wait is below `baseMs`, each later one below the double, none above `maxMs`. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** An application that was ready for so long begins with the first wait again. */
  readonly healthyMs: number;
}

export const DEFAULT_RESTARTS: RestartOptions = {
  most: 10,
  windowMs: 600_000,
  baseMs: 1_000,
  maxMs: 60_000,
  healthyMs: 60_000,
};

export interface RestartBudget {
  /** Restarts since it was last well. */
  readonly attempt: number;
  /** When the restarts of the window were, oldest first. */
  readonly times: readonly number[];
}

export const FRESH_BUDGET: RestartBudget = { attempt: 0, times: [] };

/** The wait before the next start and the budget to keep; undefined: there were too many. */
export const nextRestart = (
  budget: RestartBudget,
  now: number,
  random: () => number,
  options: RestartOptions,
): { readonly waitMs: number; readonly budget: RestartBudget } | undefined => {
  const times = budget.times.filter((time) => now - time < options.windowMs);
  if (times.length >= options.most) return undefined;
  return {
    waitMs: backoffMs(budget.attempt, random, options),
    budget: { attempt: budget.attempt + 1, times: [...times, now] },
  };
};
