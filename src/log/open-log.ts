/** Opens the log that the configuration names. */
import { TendrilError } from '../model/index.ts';
import type { DiskGuard, Environment, OpenedAs, StoreLogger } from '../store/index.ts';
import { type KafkaSettings, requireKafkaAddress } from './kafka/settings.ts';
import { openLmdbBackend } from './lmdb-log.ts';
import { LIVE } from './log-condition.ts';
import { type Clock, LogCore, type LogLimits } from './log-core.ts';
import { createMemoryBackend } from './memory-log.ts';
import { requireMirrorOf, requireOwnLog } from './mirror-mark.ts';
import type { OpenedLog } from './opened-log.ts';

export interface OpenLogOptions {
  /** `lmdb`, `memory`, `kafka://HOST:PORT,…/TOPIC`, or a word that is refused with a clear error. */
  readonly kind: string;
  /** Nothing is appended: a mirror of a topic may be opened as `lmdb` (default false). */
  readonly readingOnly?: boolean;
  /** How the brokers are spoken to. */
  readonly kafka?: KafkaSettings;
  /** Data directory; the log, or its mirror, lies in its folder `log`. Needed but for `memory`. */
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

/** All of it is here. */
class LocalLog extends LogCore {
  readonly condition = LIVE;

  async settled(): Promise<void> {}
}

class MemoryLog extends LocalLog implements OpenedLog {
  readonly kind = 'memory';
  readonly failure = undefined;
  readonly opened = undefined;
  readonly storage = undefined;
}

class LmdbLog extends LocalLog implements OpenedLog {
  readonly kind = 'lmdb';
  readonly opened: OpenedAs;
  readonly storage: Environment;
  readonly #failure: () => TendrilError | undefined;

  constructor(options: OpenLogOptions, opened: Awaited<ReturnType<typeof openLmdbBackend>>) {
    super(options.mesh, opened.backend, options.clock, options.limits);
    this.opened = opened.environment.opened;
    this.storage = opened.environment;
    this.#failure = () => opened.environment.failure;
  }

  get failure(): TendrilError | undefined {
    return this.#failure();
  }
}

const refuse = (kind: string): TendrilError =>
  new TendrilError('LOG_KIND_UNSUPPORTED', `"${kind}" is no kind of log`, {
    remedy: 'use --log lmdb, --log kafka://HOST:PORT/TOPIC, or --log memory for a trial',
  });

/**
 * @throws TendrilError `LOG_KIND_UNSUPPORTED`, `LOG_CORRUPT`, `LOG_LOCKED`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`,
 * `DATA_NOT_WRITABLE`, `DATA_ON_NETWORK_FS`, `DISK_FULL`; on Kafka also `KAFKA_TOPIC_UNFIT` and
 * `LOG_AWAY`; `LOG_IS_MIRROR` and `LOG_OF_ANOTHER_TOPIC` when the directory belongs to a topic.
 */
export const openEventLog = async (options: OpenLogOptions): Promise<OpenedLog> => {
  const { kind, mesh, dir } = options;
  if (kind === 'memory') return new MemoryLog(mesh, createMemoryBackend(), options.clock, options.limits);
  const address = kind.startsWith('kafka:') ? requireKafkaAddress(kind) : undefined;
  if (address === undefined && kind !== 'lmdb') throw refuse(kind);
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
  try {
    if (address !== undefined) requireMirrorOf(opened.environment, address.topic);
    else if (options.readingOnly !== true) requireOwnLog(opened.environment);
  } catch (error) {
    await opened.backend.close();
    throw error;
  }
  if (address === undefined) return new LmdbLog(options, opened);
  // Loaded when it is asked for: nobody else pays for the Kafka client.
  const { openKafkaLog } = await import('./kafka/open-kafka-log.ts');
  return await openKafkaLog({ ...options, address, settings: options.kafka ?? {} }, opened);
};
