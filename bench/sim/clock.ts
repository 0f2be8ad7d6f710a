/** One clock for all processes of a run: CLOCK_MONOTONIC, ms. `performance.now()` counts from the start of its process. */
const offset = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const monotonicMs = (): number => performance.now() + offset;
