/**
 * An LMDB environment that can be trusted: locked against a second writer, marked when closed in order and checked when not,
 * bound to one mesh and schema, guarded against a full disk, and never written again after a commit failed.
 *
 * Invariants
 * E1 At most one open environment of a directory writes; readers need no lock.
 * E2 A writer maps a file only if it was closed in order, or marked between two commits (`checkpoint`), and has not changed since, or a
 *    child process has read it through.
 * E3 `commit` applies all of its operations or none, in the order of calls.
 * E4 After a failed commit nothing is written any more, and LMDB is not even closed: when a write fails, lmdb 3.5.6 composes a
 *    message of up to 130 bytes in a buffer of 100 (`mdb_page_flush` in its mdb.c), which may damage the heap. This is the
 *    abort of reference/reliability.md, finding 1. Reading goes on; the process is to be replaced soon.
 * E5 Once a record was found damaged, an environment whose content cannot be made again from elsewhere is not written any more: what
 *    follows damage would be lost with it. Reading goes on.
 */
import { statSync } from 'node:fs';
import { TendrilError } from '../model/basics.ts';
import type { TableKey } from './checked-record.ts';
import { markClean, removeCleanMark } from './clean-marker.ts';
import { commitCause } from './commit-cause.ts';
import { copyRoot } from './copy-root.ts';
import type { Environment, EnvironmentOptions, OpenedAs } from './environment.ts';
import { failpoint } from './failpoint.ts';
import { IDENTITY_KEY, type Identity, META_TABLE } from './identity.ts';
import { dataFile, type LmdbRoot, type LmdbTable, openTable, tableNames } from './lmdb-root.ts';
import { parseReaders, type ReaderAges, ReaderWatch } from './readers.ts';
import { type Batch, CollectedBatch, LmdbBackedTable, type Table } from './table.ts';
import { unseal } from './unseal.ts';
import { VisibleCommits } from './visible-commits.ts';
import type { WriterLock } from './writer-lock.ts';

const READER_CHECK_MS = 60_000;
/** What LMDB writes to make a table, amply. */
const NEW_TABLE_BYTES = 65_536;

export class LmdbEnvironment implements Environment {
  readonly name: string;
  readonly path: string;
  readonly mesh: string;
  id = '';
  opened: OpenedAs = { created: false, clean: true, schemaVersion: 0 };
  failure: TendrilError | undefined;
  damage: TendrilError | undefined;
  readonly counters = { commits: 0, bytes: 0, deadReaders: 0 };
  readonly #options: EnvironmentOptions;
  readonly #root: LmdbRoot;
  readonly #lock: WriterLock | undefined;
  readonly #visible: VisibleCommits | undefined;
  readonly #readers = new ReaderWatch();
  readonly #tables = new Map<string, LmdbBackedTable<TableKey>>();
  readonly #readerCheck: NodeJS.Timeout | undefined;
  #closed = false;
  /** Commits that may still change the file. */
  #unflushed = 0;
  #isMarked = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: EnvironmentOptions, path: string, root: LmdbRoot, lock: WriterLock | undefined) {
    this.name = options.name;
    this.path = path;
    this.mesh = options.mesh;
    this.#options = options;
    this.#root = root;
    this.#lock = lock;
    this.#visible = options.mode === 'visible' && lock !== undefined ? new VisibleCommits(root) : undefined;
    if (lock === undefined) return;
    this.#readerCheck = setInterval(() => this.#freeDeadReaders(), options.readerCheckMs ?? READER_CHECK_MS);
    this.#readerCheck.unref();
  }

  table<K extends TableKey>(name: string): Table<K> {
    const known = this.#tables.get(name);
    if (known !== undefined) return known as unknown as Table<K>;
    this.#requireOpen();
    const handle = openTable(this.#root, name, false) ?? this.#makeTable(name);
    const table = new LmdbBackedTable<TableKey>(
      name,
      handle,
      this.path,
      () => this.#requireOpen(),
      (error) => this.noteDamage(error),
    );
    this.#tables.set(name, table);
    return table as unknown as Table<K>;
  }

  async commit(work: (batch: Batch) => void): Promise<void> {
    this.#requireWritable();
    const batch = new CollectedBatch();
    work(batch);
    if (batch.size === 0) return;
    await (this.#visible === undefined ? this.#submit(batch) : this.#visible.inTurn(() => this.#submit(batch)));
    this.counters.commits++;
    this.counters.bytes += batch.bytes;
  }

  async flushed(): Promise<void> {
    this.#requireWritable();
    await this.#visible?.idle();
    await this.#running;
    if (this.failure !== undefined) throw this.failure;
  }

  async checkpoint(): Promise<void> {
    await this.flushed();
    if (this.#unflushed > 0 || this.#closed || this.#lock?.held() !== true) return;
    this.#isMarked = true;
    markClean(dataFile(this.path));
  }

  refresh(): void {
    this.#requireOpen();
    this.#root.resetReadTxn();
  }

  noteDamage(error: TendrilError): void {
    if (this.damage !== undefined) return;
    this.damage = error;
    this.#options.logger?.error({ environment: this.path, code: error.code, err: error }, error.message);
  }

  size(): number {
    try {
      return statSync(dataFile(this.path)).size;
    } catch {
      return Number.NaN;
    }
  }

  readers(): ReaderAges {
    this.#requireOpen();
    const { lastTxnId } = this.#root.getStats() as { readonly lastTxnId: number };
    return this.#readers.look(parseReaders(this.#root.readerList()), lastTxnId, performance.now());
  }

  checkReaders(): number {
    this.#requireOpen();
    const freed = this.#root.readerCheck();
    this.counters.deadReaders += freed;
    return freed;
  }

  #freeDeadReaders(): void {
    // A damaged heap is not touched again (E4).
    if (this.failure === undefined) this.checkReaders();
  }

  async copyTo(path: string, admit: (bytes: number) => void): Promise<void> {
    this.#requireOpen();
    const { lastPageNumber, pageSize } = this.#root.getStats() as {
      readonly lastPageNumber: number;
      readonly pageSize: number;
    };
    admit((lastPageNumber + 1) * pageSize);
    const copying = copyRoot(this.#root, path);
    // LMDB must not be closed under it.
    this.#running = Promise.allSettled([this.#running, copying]);
    await copying;
  }

  async close(): Promise<void> {
    await this.closeFile();
    this.#lock?.release();
  }

  /** Keeps the lock. */
  async closeFile(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#readerCheck);
    await this.#visible?.idle();
    await this.#running;
    // A damaged heap is not touched again (E4); the process is about to end.
    if (this.failure !== undefined) return;
    await this.#root.close();
    if (this.#lock?.held() === true) markClean(dataFile(this.path));
  }

  /** Undefined when the environment is new. */
  identity(): Identity | undefined {
    const meta = openTable(this.#root, META_TABLE, false);
    const framed = meta?.getBinary(IDENTITY_KEY);
    if (framed === undefined) return undefined;
    return JSON.parse(unseal(framed, IDENTITY_KEY, META_TABLE, this.path).toString()) as Identity;
  }

  async writeIdentity(identity: Identity): Promise<void> {
    await this.commit((batch) =>
      batch.put(this.table(META_TABLE), IDENTITY_KEY, Buffer.from(JSON.stringify(identity))),
    );
    await this.flushed();
  }

  tableNames(): string[] {
    return tableNames(this.#root);
  }

  #makeTable(name: string): LmdbTable {
    if (this.#lock === undefined) {
      const remedy = 'try again when the writer has started';
      throw new TendrilError('DATA_MISSING', `${this.path} has no table ${name} yet`, { remedy });
    }
    this.#requireWritable();
    this.#options.guard?.admit(NEW_TABLE_BYTES);
    this.#unmark();
    const handle = openTable(this.#root, name, true);
    if (handle === undefined) throw new TendrilError('DATA_CORRUPT', `${this.path}: table ${name} cannot be made`);
    return handle;
  }

  /** Resolves when it is on disk. */
  async #submit(batch: CollectedBatch): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.#options.guard?.admit(batch.bytes);
    if (this.#lock?.held() !== true) {
      throw this.#fail(new Error('another process has taken the lock over; this one was silent for too long'));
    }
    this.#unmark();
    const done = this.#write(batch);
    this.#running = Promise.allSettled([this.#running, done]);
    await done;
  }

  /** E2: before anything of the file changes. */
  #unmark(): void {
    if (!this.#isMarked) return;
    this.#isMarked = false;
    removeCleanMark(dataFile(this.path));
  }

  async #write(batch: CollectedBatch): Promise<void> {
    this.#unflushed++;
    try {
      const written = this.#root.batch(() => batch.apply());
      // Mode `visible`: the promise comes after fdatasync too, and `flushed` would never come if a later one failed.
      if (this.#visible !== undefined) await written;
      else await this.#onDisk(written);
    } catch (error) {
      throw this.#fail(await commitCause(error));
    } finally {
      this.#unflushed--;
    }
  }

  async #onDisk(written: Promise<unknown>): Promise<void> {
    failpoint('beforeFlush');
    await written;
    await this.#root.flushed;
    failpoint('afterFlush');
  }

  #fail(cause: Error): TendrilError {
    if (this.failure !== undefined) return this.failure;
    this.failure = new TendrilError(
      'DATA_READ_ONLY',
      `${this.path} is read-only since a commit failed: ${cause.message}`,
      {
        remedy: 'look at the disk, then restart Tendril; everything acknowledged before is safe',
        cause,
      },
    );
    this.#options.logger?.error({ environment: this.path, err: cause }, 'a commit failed; nothing is written any more');
    return this.failure;
  }

  #requireOpen(): void {
    if (!this.#closed) return;
    throw new TendrilError('DATA_CLOSED', `${this.path} is closed`);
  }

  #requireWritable(): void {
    this.#requireOpen();
    if (this.failure !== undefined) throw this.failure;
    if (this.#lock === undefined) throw new TendrilError('DATA_READ_ONLY', `${this.path} was opened for reading`);
    if (this.damage !== undefined && this.#options.derived !== true) throw this.damage;
  }
}
