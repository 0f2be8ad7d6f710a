/**
 * The log on a local disk: environment `log/`, table `events`, key = offset, value = checksum and record bytes.
 * Commit mode `durable`: nobody, not even another process that reads the file, sees a record that a power cut could take away.
 */
import { TendrilError } from '../model/index.ts';
import {
  CHECKSUM_BYTES,
  type DiskGuard,
  type Environment,
  openEnvironment,
  type StoreLogger,
  type Table,
} from '../store/index.ts';
import type { LogHead, LogRecord } from './event-log.ts';
import type { CopyingBackend } from './log-backend.ts';
import type { ReadyRecord } from './ready-record.ts';
import { decodeRecord, type EncodedEvent, readyRecordAt, recordedAtOf, recordOf, writeRecord } from './record-codec.ts';

/** Version of the record format and of the highest event version that may be in it. */
export const LOG_SCHEMA = { name: 'tendril-log', version: 1 } as const;

export interface LmdbBackendOptions {
  readonly dir: string;
  readonly mesh: string;
  readonly guard?: DiskGuard;
  readonly logger?: StoreLogger;
  /** Largest size of the log in bytes (default 1 TiB). */
  readonly mapSize?: number;
}

/** Bytes read into memory at once, so that one batch of large events does not take all of it. */
const READ_BYTES = 4 * 2 ** 20;
const SLAB_BYTES = 256 * 1024;

const corruptAt = (path: string, offset: number, why: string, cause?: unknown): TendrilError =>
  new TendrilError('LOG_CORRUPT', `${path}: event ${offset} ${why}`, {
    remedy: `\`tendril verify --data DIR\` tells how far the damage goes; restore ${path} from a copy, or remove everything from event ${offset} on`,
    cause,
  });

/** Memory for the bodies of one read: few large blocks instead of one small one per record. */
class Slab {
  #block: Buffer = Buffer.alloc(0);
  #used = 0;

  copy(body: Buffer): Buffer {
    const { length } = body;
    if (length > SLAB_BYTES / 4) return Buffer.from(body);
    if (this.#used + length > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const copy = this.#block.subarray(this.#used, this.#used + length);
    body.copy(copy);
    this.#used += length;
    return copy;
  }
}

/** Above an environment of mode `durable`. */
export class LmdbBackend implements CopyingBackend {
  readonly head: LogHead;
  readonly #environment: Environment;
  readonly #events: Table<number>;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#events = environment.table<number>('events');
    this.head = this.#findHead();
  }

  async commit(events: readonly EncodedEvent[], first: number, recordedAt: number): Promise<readonly LogRecord[]> {
    const bodies = await this.#store(events, first, () => recordedAt);
    return events.map((encoded, index) =>
      recordOf(encoded, first + index, recordedAt, bodies[index] ?? Buffer.alloc(0)),
    );
  }

  async copy(records: readonly ReadyRecord[], first: number): Promise<readonly LogRecord[]> {
    const bodies = await this.#store(records, first, (index) => records[index]?.recordedAt ?? 0);
    return records.map((record, index) => readyRecordAt(record, first + index, bodies[index] ?? Buffer.alloc(0)));
  }

  /** Gives the records' bytes. */
  async #store(
    records: readonly { readonly json: string; readonly bytes: number }[],
    first: number,
    recordedAt: (index: number) => number,
  ): Promise<readonly Buffer[]> {
    const bodies: Buffer[] = [];
    const slab = Buffer.allocUnsafeSlow(records.reduce((sum, { bytes }) => sum + CHECKSUM_BYTES + bytes, 0));
    try {
      await this.#environment.commit((batch) => {
        let at = 0;
        for (const [index, record] of records.entries()) {
          const framed = slab.subarray(at, at + CHECKSUM_BYTES + record.bytes);
          at += framed.length;
          const body = framed.subarray(CHECKSUM_BYTES);
          writeRecord(body, record, recordedAt(index));
          batch.putFramed(this.#events, first + index, framed);
          bodies.push(body);
        }
      });
    } catch (error) {
      throw asLogError(error);
    }
    return bodies;
  }

  read(from: number, to: number, max: number): readonly LogRecord[] {
    const slab = new Slab();
    const records: LogRecord[] = [];
    const last = Math.min(to, from + max - 1);
    let bytes = 0;
    this.#environment.refresh();
    for (let offset = from; offset <= last && bytes < READ_BYTES; offset++) {
      const body = slab.copy(this.#peek(offset));
      bytes += body.length;
      records.push(decodeRecord(offset, body));
    }
    return records;
  }

  recordedAt(offset: number): number {
    this.#environment.refresh();
    return recordedAtOf(this.#peek(offset));
  }

  close(): Promise<void> {
    return this.#environment.close();
  }

  /** The record's bytes, until the next read. */
  #peek(offset: number): Buffer {
    const body = this.#tryPeek(offset);
    if (body !== undefined) return body;
    const error = corruptAt(this.#environment.path, offset, 'is missing');
    this.#environment.noteDamage(error);
    throw error;
  }

  #tryPeek(offset: number): Buffer | undefined {
    try {
      return this.#events.peek(offset);
    } catch (error) {
      if (error instanceof TendrilError && error.code === 'CORRUPT_RECORD') {
        throw corruptAt(this.#environment.path, offset, 'fails its checksum', error);
      }
      throw asLogError(error);
    }
  }

  #findHead(): LogHead {
    const [first] = this.#events.keys({ limit: 1 });
    const [last] = this.#events.keys({ limit: 1, reverse: true });
    if (first === undefined || last === undefined) return { offset: 0, recordedAt: 0, first: 1 };
    const count = this.#events.count();
    if (last - first + 1 !== count) {
      throw corruptAt(
        this.#environment.path,
        first,
        `to ${last} should be ${last - first + 1} events, but ${count} are there`,
      );
    }
    return { offset: last, recordedAt: this.recordedAt(last), first };
  }
}

/** The codes of the port instead of those of the store. */
const asLogError = (error: unknown): unknown => {
  if (!(error instanceof TendrilError)) return error;
  const code = LOG_CODES.get(error.code);
  if (code === undefined) return error;
  return new TendrilError(code, error.message, {
    cause: error,
    ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
  });
};

const LOG_CODES: ReadonlyMap<string, string> = new Map([
  ['DATA_READ_ONLY', 'LOG_READ_ONLY'],
  ['DATA_CLOSED', 'LOG_CLOSED'],
  ['DATA_CORRUPT', 'LOG_CORRUPT'],
  ['CORRUPT_RECORD', 'LOG_CORRUPT'],
]);

export interface OpenedLmdb {
  readonly backend: CopyingBackend;
  readonly environment: Environment;
}

/** @throws TendrilError as `openEnvironment`; damage is `LOG_CORRUPT`. */
export const openLmdbBackend = async (options: LmdbBackendOptions): Promise<OpenedLmdb> => {
  try {
    const environment = await openEnvironment({ ...options, name: 'log', schema: LOG_SCHEMA });
    try {
      return { backend: new LmdbBackend(environment), environment };
    } catch (error) {
      await environment.close();
      throw error;
    }
  } catch (error) {
    throw asLogError(error);
  }
};
