/** When to start a dead child again. Pure: the caller gives the clock. */

const FIRST_MS = 50;
const MAX_MS = 5_000;
/** A child that lived this long was well: the next death starts from the beginning. */
const HEALTHY_MS = 30_000;

export interface RestartState {
  readonly failures: number;
}

export const freshRestarts: RestartState = { failures: 0 };

/** Delay before the next start, doubling from 50 ms to 5 s, and the state to keep. */
export const nextRestart = (
  state: RestartState,
  livedMs: number,
): { readonly delayMs: number; readonly state: RestartState } => {
  const failures = livedMs >= HEALTHY_MS ? 0 : state.failures;
  return { delayMs: Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures, 10)), state: { failures: failures + 1 } };
};
