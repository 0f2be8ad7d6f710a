/**
 * `Environment` of src/store above a simulated disk. Of its invariants (environment.ts) it keeps E3 and E4; there is one writer because
 * the simulation opens only one. A commit is visible to readers from one turn to the next, never within one: so they need no
 * transactions of their own.
 */
import { TendrilError } from '../../src/model/index.ts';
import type { Batch, Environment, OpenedAs, ReaderAges, Table, TableKey } from '../../src/store/index.ts';
import type { MemoryDisk } from './memory-disk.ts';
import { MemoryBatch, OpenTable } from './memory-table.ts';

/** How long the disk takes; simulated ms. */
export interface DiskTimes {
  /** Runs a function later, unless its process has died by then. */
  after(ms: number, run: () => void): void;
  /** From a commit to its being visible (mode `durable`: durable). */
  commitMs(): number;
  /** From there to its flush (mode `durable`: to the word that it is). */
  flushMs(): number;
}

export interface MemoryEnvironmentOptions {
  readonly disk: MemoryDisk;
  readonly mesh: string;
  readonly schemaVersion: number;
  /** `durable`: a commit resolves, and readers see it, when a power cut cannot take it away. */
  readonly mode: 'durable' | 'visible';
  /** Undefined: for reading only; or everything happens within the call (`instant`). */
  readonly times?: DiskTimes;
  /** Commits are visible and durable within the call. */
  readonly instant?: boolean;
  /** Mutation: the word that a commit is durable comes before it is. */
  readonly liesAboutFlush?: boolean;
}

export class MemoryEnvironment implements Environment {
  readonly name: string;
  readonly path: string;
  readonly mesh: string;
  readonly id: string;
  readonly opened: OpenedAs;
  failure: TendrilError | undefined;
  damage: TendrilError | undefined;
  readonly counters = { commits: 0, bytes: 0, deadReaders: 0 };
  readonly #options: MemoryEnvironmentOptions;
  readonly #tables = new Map<string, OpenTable<TableKey>>();
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: MemoryEnvironmentOptions) {
    const { disk, mesh, schemaVersion } = options;
    this.#options = options;
    this.name = disk.name;
    this.path = `/simulated/${disk.name}`;
    this.mesh = mesh;
    this.id = disk.id;
    this.opened = { created: disk.commits === 0, clean: false, schemaVersion };
  }

  table<K extends TableKey>(name: string): Table<K> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new OpenTable<TableKey>(this.#options.disk.table(name), this.path, () => this.#requireOpen());
      this.#tables.set(name, table);
    }
    return table as unknown as Table<K>;
  }

  noteDamage(error: TendrilError): void {
    this.damage ??= error;
  }

  tableNames(): string[] {
    return [...this.#tables.keys()];
  }

  size(): number {
    return this.counters.bytes;
  }

  readers(): ReaderAges {
    return { inUse: 0, oldestMs: 0, oldestPid: undefined };
  }

  async commit(work: (batch: Batch) => void): Promise<void> {
    this.#requireWritable();
    const batch = new MemoryBatch();
    work(batch);
    if (batch.operations.length === 0) return;
    if (this.#options.instant === true) {
      this.#options.disk.apply(batch.operations);
      this.#options.disk.flush();
    } else {
      const mine = this.#last.then(() => this.#write(batch));
      this.#last = mine.catch(() => undefined);
      await mine;
    }
    this.counters.commits++;
    this.counters.bytes += batch.bytes;
  }

  async #write(batch: MemoryBatch): Promise<void> {
    const { disk, times, mode, liesAboutFlush = false } = this.#options;
    if (times === undefined) throw new TypeError(`${this.path} was opened for reading`);
    const wait = (ms: number): Promise<void> => new Promise((resolve) => times.after(ms, resolve));
    if (this.failure !== undefined) throw this.failure;
    if (disk.full) throw new TendrilError('DISK_FULL', `${this.path}: no room on the disk`);
    if (liesAboutFlush) {
      times.after(times.commitMs() + times.flushMs(), () => {
        disk.apply(batch.operations);
        disk.flush();
      });
      return;
    }
    await wait(times.commitMs());
    if (disk.failNext !== undefined) {
      if (disk.failNext === 'kept') {
        disk.apply(batch.operations);
        disk.flush();
      }
      disk.failNext = undefined;
      throw this.#fail(new Error('EIO'));
    }
    disk.apply(batch.operations);
    if (mode === 'visible') times.after(times.flushMs(), () => disk.flush());
    else {
      disk.flush();
      await wait(times.flushMs());
    }
  }

  async flushed(): Promise<void> {
    this.#requireWritable();
    await this.#last;
    this.#options.disk.flush();
  }

  async checkpoint(): Promise<void> {
    await this.flushed();
  }

  refresh(): void {
    this.#requireOpen();
  }

  /** Nobody takes a snapshot in the simulation. */
  copyTo(): Promise<void> {
    return Promise.reject(new Error('a simulated disk is not copied'));
  }

  checkReaders(): number {
    return 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    if (this.failure === undefined && this.#options.times !== undefined) this.#options.disk.flush();
  }

  #fail(cause: Error): TendrilError {
    this.failure = new TendrilError('DATA_READ_ONLY', `${this.path} is read-only since a commit failed`, { cause });
    return this.failure;
  }

  #requireOpen(): void {
    if (this.#closed) throw new TendrilError('DATA_CLOSED', `${this.path} is closed`);
  }

  #requireWritable(): void {
    this.#requireOpen();
    if (this.failure !== undefined) throw this.failure;
  }
}
