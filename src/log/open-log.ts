/** Opens the log that the configuration names. */
import { TendrilError } from '../model/index.ts';
import type { DiskGuard, OpenedAs, StoreLogger } from '../store/index.ts';
import type { EventLog, LogBase } from './event-log.ts';
import { openLmdbBackend } from './lmdb-log.ts';
import { type Clock, LogCore, type LogCounters, type LogLimits } from './log-core.ts';
import { createMemoryBackend } from './memory-log.ts';

export interface OpenLogOptions {
  /** `lmdb`, `memory`, or a word that is refused with a clear error. */
  readonly kind: string;
  /** Data directory; the log lies in its folder `log`. Needed for `lmdb`. */
  readonly dir?: string;
  readonly mesh: string;
  readonly clock: Clock;
  readonly logger?: StoreLogger;
  /** Refuses appends before the disk is full; without it nobody does, and a full disk may end the process. */
  readonly guard?: DiskGuard;
  readonly limits?: Partial<LogLimits>;
  /** Largest size of the log on disk in bytes (default 1 TiB). */
  readonly mapSize?: number;
}

/** An open log with what its owner wants to know besides the port. */
export interface OpenedLog extends EventLog {
  readonly kind: 'lmdb' | 'memory';
  readonly counters: LogCounters;
  /** Bytes of events that wait for their commit or are being written. */
  readonly waitingBytes: number;
  /** Why nothing can be appended any more until the process is replaced (`LOG_READ_ONLY`). */
  readonly failure: TendrilError | undefined;
  /** What was found on disk; undefined for `memory`. */
  readonly opened: OpenedAs | undefined;
  /** See `LogCore.prune`. */
  prune(base: LogBase): Promise<void>;
}

class MemoryLog extends LogCore implements OpenedLog {
  readonly kind = 'memory';
  readonly failure = undefined;
  readonly opened = undefined;
}

class LmdbLog extends LogCore implements OpenedLog {
  readonly kind = 'lmdb';
  readonly opened: OpenedAs;
  readonly #failure: () => TendrilError | undefined;

  constructor(options: OpenLogOptions, opened: Awaited<ReturnType<typeof openLmdbBackend>>) {
    super(options.mesh, opened.backend, options.clock, options.limits);
    this.opened = opened.environment.opened;
    this.#failure = () => opened.environment.failure;
  }

  get failure(): TendrilError | undefined {
    return this.#failure();
  }
}

const refuse = (kind: string): TendrilError => {
  const isKafka = kind.startsWith('kafka://');
  const message = isKafka ? 'a log on Kafka comes with a later version of Tendril' : `"${kind}" is no kind of log`;
  return new TendrilError('LOG_KIND_UNSUPPORTED', message, { remedy: 'use --log lmdb, or --log memory for a trial' });
};

/**
 * @throws TendrilError `LOG_KIND_UNSUPPORTED`, `LOG_CORRUPT`, `LOG_LOCKED`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`,
 * `DATA_NOT_WRITABLE`, `DATA_ON_NETWORK_FS`, `DISK_FULL`.
 */
export const openEventLog = async (options: OpenLogOptions): Promise<OpenedLog> => {
  const { kind, mesh, dir } = options;
  if (kind === 'memory') return new MemoryLog(mesh, createMemoryBackend(), options.clock, options.limits);
  if (kind !== 'lmdb') throw refuse(kind);
  if (dir === undefined)
    throw new TendrilError('DATA_NOT_WRITABLE', 'a log on disk needs a directory', { remedy: 'name one with --data' });
  const { guard, logger, mapSize } = options;
  const opened = await openLmdbBackend({
    dir,
    mesh,
    ...(guard === undefined ? {} : { guard }),
    ...(logger === undefined ? {} : { logger }),
    ...(mapSize === undefined ? {} : { mapSize }),
  });
  return new LmdbLog(options, opened);
};
