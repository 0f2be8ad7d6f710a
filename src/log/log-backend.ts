/** What a kind of log that is written by one process must do itself; everything else is `LogCore`. */

import type { LogBase, LogHead, LogRecord } from './event-log.ts';
import type { ReadyRecord } from './ready-record.ts';
import type { EncodedEvent } from './record-codec.ts';

export interface LogBackend {
  /** As found at the opening. */
  readonly head: LogHead;
  /**
   * Writes the events from offset `first` on, all or none, and gives their records once they are durable. Rejects with
   * `DISK_FULL` or `LOG_READ_ONLY`.
   */
  commit(events: readonly EncodedEvent[], first: number, recordedAt: number): Promise<readonly LogRecord[]>;
  /** Records `from` to at most `to`, at least one and at most `max` of them. Throws `LOG_CORRUPT`. */
  read(from: number, to: number, max: number): readonly LogRecord[];
  /** Of one record. Throws `LOG_CORRUPT`. */
  recordedAt(offset: number): number;
  /**
   * Removes the records up to the base, all or none, and keeps the base; absent where a log cannot. Rejects with `DISK_FULL` or
   * `LOG_READ_ONLY`.
   */
  prune?(base: LogBase): Promise<void>;
  close(): Promise<void>;
}

/** A backend that also takes records as another log has them. */
export interface CopyingBackend extends LogBackend {
  /** As `commit`, each with its own time, which must not be before that of the one before it. */
  copy(records: readonly ReadyRecord[], first: number): Promise<readonly LogRecord[]>;
}
