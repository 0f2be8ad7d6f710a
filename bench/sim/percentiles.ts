/** Percentiles of times. */
import type { Percentiles } from './result.ts';

/** Three decimals: a microsecond. */
export const round = (value: number, digits = 3): number => Math.round(value * 10 ** digits) / 10 ** digits;

/** Nearest rank. Of no times: all 0, count 0. */
export const percentilesOf = (times: Iterable<number>): Percentiles => {
  const sorted = Float64Array.from(times).sort();
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0);
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
};
