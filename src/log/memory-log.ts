/** The log that lives and dies with its process: `--log memory`, and tests. Same bytes as on disk, no durability. */
import type { LogRecord } from './event-log.ts';
import type { LogBackend } from './log-backend.ts';
import { recordOf, writeRecord } from './record-codec.ts';

export const createMemoryBackend = (): LogBackend => {
  const records: LogRecord[] = [];
  return {
    head: { offset: 0, recordedAt: 0, first: 1 },
    commit: async (events, first, recordedAt) => {
      const added = events.map((encoded, index) => {
        const bytes = Buffer.allocUnsafeSlow(encoded.bytes);
        writeRecord(bytes, encoded, recordedAt);
        return recordOf(encoded, first + index, recordedAt, bytes);
      });
      for (const record of added) records.push(record);
      return added;
    },
    read: (from, to, max) => records.slice(from - 1, Math.min(to, from - 1 + max)),
    recordedAt: (offset) => records[offset - 1]?.recordedAt ?? 0,
    close: async () => undefined,
  };
};
