import type { IDuration } from '../../proto/index.ts';

/** Milliseconds; undefined: not given. */
export const millis = (duration: IDuration | null | undefined): number | undefined =>
  duration ? Number(duration.seconds ?? 0) * 1000 + (duration.nanos ?? 0) / 1_000_000 : undefined;
