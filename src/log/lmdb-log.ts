/**
 * The log on a local disk: environment `log/`, table `events`, key = offset, value = checksum and record bytes.
 * Commit mode `durable`: nobody, not even another process that reads the file, sees a record that a power cut could take away.
 */
import { TendrilError } from '../model/index.ts';
import {
  type Batch,
  CHECKSUM_BYTES,
  type DiskGuard,
  type Environment,
  openEnvironment,
  type StoreLogger,
  type Table,
} from '../store/index.ts';
import { requireLogBase } from './base.ts';
import type { LogBase, LogHead, LogRecord, RawRecord } from './event-log.ts';
import type { CopyingBackend } from './log-backend.ts';
import type { ReadyRecord } from './ready-record.ts';
import {
  decodeRecord,
  type EncodedEvent,
  RECORD_HEADER_BYTES,
  readyRecordAt,
  recordedAtOf,
  recordOf,
  writeRecord,
} from './record-codec.ts';

/** Version of the record format and of the highest event version that may be in it. */
export const LOG_SCHEMA = { name: 'tendril-log', version: 1 } as const;

export interface LmdbBackendOptions {
  readonly dir: string;
  readonly mesh: string;
  readonly guard?: DiskGuard;
  readonly logger?: StoreLogger;
  /** Largest size of the log in bytes (default 1 TiB). */
  readonly mapSize?: number;
  /** Where a log that is made here begins; without it at offset 1. Of no effect on a log that is there. */
  readonly base?: LogBase;
}

const META_TABLE = 'meta';
const BASE_KEY = 'base';

/** What stands before the first event of a log that somebody else writes; undefined: nothing. @throws TendrilError `LOG_CORRUPT`, `CORRUPT_RECORD`. */
export const storedBase = (environment: Environment): LogBase | undefined =>
  requireLogBase(environment.table<string>(META_TABLE).get(BASE_KEY), environment.path);

/** Bytes read into memory at once, so that one batch of large events does not take all of it. */
const READ_BYTES = 4 * 2 ** 20;
const SLAB_BYTES = 256 * 1024;
const FIRST_SLAB_BYTES = 1024;

const corruptAt = (path: string, offset: number, why: string, cause?: unknown): TendrilError =>
  new TendrilError('LOG_CORRUPT', `${path}: event ${offset} ${why}`, {
    remedy: `\`tendril verify --data DIR\` tells how far the damage goes; restore ${path} from a copy, or remove everything from event ${offset} on`,
    cause,
  });

/** Memory for the bodies of one read: few large blocks instead of one small one per record. Blocks grow: many reads are of one record. */
class Slab {
  #block: Buffer = Buffer.alloc(0);
  #used = 0;

  copy(body: Buffer): Buffer {
    const { length } = body;
    if (length > SLAB_BYTES / 4) return Buffer.from(body);
    if (this.#used + length > this.#block.length) {
      this.#block = Buffer.allocUnsafe(
        Math.min(SLAB_BYTES, Math.max(FIRST_SLAB_BYTES, 2 * this.#block.length, length)),
      );
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
  readonly #environment: Environment;
  readonly #events: Table<number>;
  readonly #meta: Table<string>;
  #head: LogHead;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#events = environment.table<number>('events');
    this.#meta = environment.table<string>(META_TABLE);
    this.#head = this.#findHead();
  }

  /** As found at the opening, moved on by `begin`, `appendRecords` and `prune`. */
  get head(): LogHead {
    return this.#head;
  }

  /** Of an empty log: where it begins. */
  async begin(base: LogBase): Promise<void> {
    await this.#write((batch) => batch.put(this.#meta, BASE_KEY, Buffer.from(JSON.stringify(base))));
    this.#head = this.#findHead();
  }

  /**
   * Appends records of another log as they are; they follow on the head. All or none.
   * @throws TendrilError `LOG_GAP` when they do not follow, `LOG_CORRUPT` when one is no record or goes back in time, and as `commit`
   */
  async appendRecords(records: readonly RawRecord[]): Promise<void> {
    let { offset, recordedAt } = this.#head;
    for (const record of records) {
      if (record.offset !== offset + 1)
        throw new TendrilError('LOG_GAP', `offset ${record.offset} does not follow on ${offset}`, {
          remedy: 'the records of a log come in order, without gaps',
        });
      const at = record.bytes.length < RECORD_HEADER_BYTES ? -1 : recordedAtOf(asBuffer(record.bytes));
      if (at < recordedAt) throw corruptAt(this.#environment.path, record.offset, 'is no record, or goes back in time');
      offset = record.offset;
      recordedAt = at;
    }
    await this.#write((batch) => {
      for (const { offset: key, bytes } of records) batch.put(this.#events, key, bytes);
    });
    this.#head = { ...this.#head, offset, recordedAt };
  }

  async prune(base: LogBase): Promise<void> {
    const { first, offset } = this.#head;
    await this.#write((batch) => {
      for (let gone = first; gone <= Math.min(base.offset, offset); gone++) batch.remove(this.#events, gone);
      batch.put(this.#meta, BASE_KEY, Buffer.from(JSON.stringify(base)));
    });
    this.#head = { ...this.#head, first: base.offset + 1, base };
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
    await this.#write((batch) => {
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
    const last = records.length - 1;
    this.#head = { ...this.#head, offset: first + last, recordedAt: recordedAt(last) };
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

  /** All or nothing, with the codes of the port. */
  async #write(work: (batch: Batch) => void): Promise<void> {
    try {
      await this.#environment.commit(work);
    } catch (error) {
      throw asLogError(error);
    }
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
    const base = storedBase(this.#environment);
    if (first === undefined || last === undefined)
      return base === undefined
        ? { offset: 0, recordedAt: 0, first: 1 }
        : { offset: base.offset, recordedAt: base.recordedAt, first: base.offset + 1, base };
    if (base !== undefined && first !== base.offset + 1)
      throw corruptAt(this.#environment.path, base.offset + 1, `should be the first, but the first is ${first}`);
    const count = this.#events.count();
    if (last - first + 1 !== count) {
      throw corruptAt(
        this.#environment.path,
        first,
        `to ${last} should be ${last - first + 1} events, but ${count} are there`,
      );
    }
    return { offset: last, recordedAt: this.recordedAt(last), first, ...(base === undefined ? {} : { base }) };
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

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
  readonly backend: LmdbBackend;
  readonly environment: Environment;
}

/** @throws TendrilError as `openEnvironment`; damage is `LOG_CORRUPT`. */
export const openLmdbBackend = async (options: LmdbBackendOptions): Promise<OpenedLmdb> => {
  try {
    const environment = await openEnvironment({ ...options, name: 'log', schema: LOG_SCHEMA });
    try {
      const backend = new LmdbBackend(environment);
      if (options.base !== undefined && environment.opened.created) await backend.begin(options.base);
      return { backend, environment };
    } catch (error) {
      await environment.close();
      throw error;
    }
  } catch (error) {
    throw asLogError(error);
  }
};
