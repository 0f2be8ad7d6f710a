import type { Duration } from './messages.ts';

/** Milliseconds; undefined: not given. */
export const millis = (duration: Duration | null | undefined): number | undefined =>
  duration ? duration.seconds * 1000 + duration.nanos / 1_000_000 : undefined;
