/** Search by time. */
import type { LogHead } from './event-log.ts';
import type { LogBackend } from './log-backend.ts';

/** Offset of the last record with `recordedAt` at or before the given time; 0 when there is none. Reads log2(n) records. */
export const offsetAt = (backend: Pick<LogBackend, 'recordedAt'>, head: LogHead, recordedAt: number): number => {
  const { first, offset } = head;
  // Invariant of the search: everything at or below `low` is not later than wanted, everything above `high` is.
  let low = first - 1;
  let high = offset;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (backend.recordedAt(middle) <= recordedAt) low = middle;
    else high = middle - 1;
  }
  if (low >= first) return low;
  // What is gone was recorded by then, at the latest: the answer is that it is gone, not that nothing was.
  const { base } = head;
  return base !== undefined && base.recordedAt <= recordedAt ? base.offset : 0;
};
