/** An open log with what its owner wants to know besides the port. */
import type { TendrilError } from '../model/index.ts';
import type { Environment, OpenedAs } from '../store/index.ts';
import type { EventLog, LogBase } from './event-log.ts';
import type { LogCondition } from './log-condition.ts';
import type { LogCounters } from './log-core.ts';

export interface OpenedLog extends EventLog {
  readonly kind: 'lmdb' | 'memory' | 'kafka';
  readonly counters: LogCounters;
  /** Bytes of events that wait for their commit or are being written. */
  readonly waitingBytes: number;
  /** Why nothing can be appended any more until the process is replaced (`LOG_READ_ONLY`). */
  readonly failure: TendrilError | undefined;
  /** What was found on disk; undefined for `memory`. */
  readonly opened: OpenedAs | undefined;
  /** The files beneath it; undefined for `memory`. Its `damage` ends the writing with `LOG_CORRUPT`. */
  readonly storage: Environment | undefined;
  /** Always `live` of a log that is only here. */
  readonly condition: LogCondition;
  /** See `LogCore.prune`. */
  prune(base: LogBase): Promise<void>;
  /** Resolves when everything that was in the log at the opening is here, or cannot be had (`condition` says which). */
  settled(): Promise<void>;
}
