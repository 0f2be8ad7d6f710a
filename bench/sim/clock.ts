/** One clock for all processes of a run: CLOCK_MONOTONIC, ms. `performance.now()` counts from the start of its process. */

/** Both clocks are read one after the other; of several tries the one that was not interrupted is the lowest. */
const offsetNow = (): number => {
  const before = process.hrtime.bigint();
  const now = performance.now();
  const after = process.hrtime.bigint();
  return Number(after - before) > 50_000 ? Number.POSITIVE_INFINITY : Number(before + after) / 2e6 - now;
};

/** The first reading of `performance` loads it, which takes milliseconds. */
const offset = ((): number => {
  for (;;) {
    const tried = offsetNow();
    if (Number.isFinite(tried)) return tried;
  }
})();

export const monotonicMs = (): number => performance.now() + offset;
