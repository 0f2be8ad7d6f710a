/**
 * The environment `state/`: entities, read model, history, journal and offset, written in one transaction per commit.
 *
 * Invariants
 * S1 The state may trail the log, never lead it: only durable records are folded, so commits wait for visibility, not for the
 *    disk. After a power cut LMDB goes back to an older commit and the log is folded again from there.
 * S2 A reader sees a commit whole: resources, callers, journal, offset and epoch together.
 * S3 Nothing is published (epoch 0) before a first build is complete; a rebuild over an older state publishes once, at its end,
 *    so that workers serve the old state until then.
 */
import { TendrilError } from '../model/index.ts';
import { type Batch, type DiskGuard, type Environment, openEnvironment, type StoreLogger } from '../store/index.ts';
import type { DerivedChanges, EntityChange, FoldedChanges, ServiceUnits } from './changes.ts';
import { decodeHead, encodeHead, type Head } from './head.ts';
import { joinRows, rowsAbove } from './history-rows.ts';
import { IdempotencyChunks } from './idempotency-chunks.ts';
import { JournalWriter } from './journal.ts';
import { decodeUnits } from './records.ts';
import { Spool } from './spool.ts';
import { TERM_BYTES } from './state-hash.ts';
import { HEAD_KEY, HISTORY_KEY, openStateTables, REBUILD_KEY, STATE_NAME, STATE_SCHEMA } from './state-tables.ts';
import { StoredModel } from './stored-model.ts';
import { FINAL_LEVEL, Tiers } from './tiers.ts';
import { writeDerived, writeEntities, writeRecords } from './write-changes.ts';

export interface StateStoreOptions {
  readonly dir: string;
  readonly mesh: string;
  readonly logger?: StoreLogger;
  readonly guard?: DiskGuard;
  readonly mapSize?: number;
}

/** Everything of one commit. */
export interface StateCommit {
  readonly folded: FoldedChanges;
  readonly derived: DerivedChanges;
  readonly head: Head;
  /** The journal says "compare everything". */
  readonly everything: boolean;
}

const UNIT_PAGE = 1_000;

export interface StoredEntity {
  readonly key: string;
  readonly term: Buffer;
  readonly bytes: Buffer;
}

export class StateStore extends StoredModel {
  readonly environment: Environment;
  readonly #history = new Tiers(joinRows);
  readonly #idempotency = new IdempotencyChunks();
  readonly #journal: JournalWriter;
  /** Settles with the newest prepared commit. Packs in memory and on disk are the same then, unless it `waits`. */
  #written: Promise<unknown> = Promise.resolve();
  /** Settles with the cut that runs or comes next. */
  #cutting: Promise<void> | undefined;
  /** A commit whose packs are in memory was refused, and will be repeated. */
  #waits = false;

  private constructor(environment: Environment, logger: StoreLogger | undefined) {
    super(openStateTables(environment), logger);
    this.environment = environment;
    this.#journal = new JournalWriter(this.tables.journal);
  }

  /** @throws TendrilError as `openEnvironment`; a damaged or older state is emptied, not refused. */
  static async open(options: StateStoreOptions): Promise<StateStore> {
    const { dir, mesh, logger, guard, mapSize } = options;
    const environment = await openEnvironment({
      dir,
      mesh,
      name: STATE_NAME,
      schema: STATE_SCHEMA,
      mode: 'visible',
      derived: true,
      ...(logger === undefined ? {} : { logger }),
      ...(guard === undefined ? {} : { guard }),
      ...(mapSize === undefined ? {} : { mapSize }),
    });
    return StateStore.over(environment, logger);
  }

  /** Above an environment that is open already: mode `visible`, of this schema. */
  static over(environment: Environment, logger?: StoreLogger): StateStore {
    return new StateStore(environment, logger);
  }

  /** Undefined before the first publication. */
  head(): Head | undefined {
    const body = this.tables.head.peek(HEAD_KEY);
    return body === undefined ? undefined : decodeHead(body);
  }

  /** Why a rebuild was begun that has not ended. */
  rebuildReason(): string | undefined {
    return this.tables.head.get(REBUILD_KEY)?.toString();
  }

  *entities(): Iterable<StoredEntity> {
    for (const { key, body } of this.tables.entity.range()) {
      yield { key, term: body.subarray(0, TERM_BYTES), bytes: body.subarray(TERM_BYTES) };
    }
  }

  /** In pages: between two of them others may have a turn. */
  *storedUnits(): Generator<readonly (readonly [service: string, units: ServiceUnits])[]> {
    for (let start = '', page = 0; ; page++) {
      const entries = [...this.tables.unit.range({ ...(page === 0 ? {} : { start }), limit: UNIT_PAGE })];
      yield entries.slice(page === 0 ? 0 : 1).map(({ key, body }) => [key, decodeUnits(body)] as const);
      start = entries.at(-1)?.key ?? '';
      if (entries.length < UNIT_PAGE) return;
    }
  }

  /** Takes in the packs that grow, before the first commit; gives idempotency entries for the fold, in order of offset. */
  *loadPacks(): Generator<Uint8Array> {
    for (const { key, body } of this.tables.history.range()) this.#history.load(key, body);
    yield* this.#idempotency.load(this.tables.idempotency);
  }

  /**
   * The function returned writes a commit, all or nothing; it rejects as `Environment.commit` and may be called again after
   * `DISK_FULL`. Commits are prepared and written one after the other.
   */
  prepare(commit: StateCommit): () => Promise<void> {
    const { folded, derived, head, everything } = commit;
    let spool: Spool | undefined;
    const write = async (): Promise<void> => {
      // What moves packs and journal on is collected once; the rest may be written again as it is.
      if (spool === undefined) {
        spool = new Spool();
        this.#writeFolded(spool, folded, head.offset);
        this.#writeHead(spool, head, everything ? undefined : derived.keys);
      }
      const collected = spool;
      this.#waits = true;
      await this.environment.commit((batch) => {
        writeEntities(batch, this.tables, folded.entities);
        writeDerived(batch, this.tables, derived);
        collected.replay(batch);
      });
      this.#waits = false;
    };
    return () => {
      const done = this.#cutting === undefined ? write() : this.#cutting.then(write);
      this.#written = done.catch(() => undefined);
      return done;
    };
  }

  /** The next start makes the state anew. */
  async requestRebuild(why: string): Promise<void> {
    await this.environment.commit((batch) => batch.put(this.tables.head, REBUILD_KEY, Buffer.from(why)));
  }

  /** Begins to make the state anew: what it was folded from so far is forgotten, what workers read stays. */
  async beginRebuild(why: string): Promise<void> {
    await this.requestRebuild(why);
    const spool = new Spool();
    const { outcome, quarantine, history, image, idempotency, proof, count } = this.tables;
    for (const table of [outcome, quarantine, proof, count]) for (const key of table.keys()) spool.remove(table, key);
    for (const table of [history, idempotency]) for (const key of table.keys()) spool.remove(table, key);
    for (const key of image.keys()) spool.remove(image, key);
    spool.remove(this.tables.head, HISTORY_KEY);
    await spool.flush(this.environment);
    this.#history.clear();
    this.#idempotency.clear();
  }

  /** Writes what a rebuild has folded so far, but for entities and whatever workers read. */
  async spoolRebuild(folded: FoldedChanges, offset: number): Promise<void> {
    await this.environment.commit((batch) => this.#writeFolded(batch, folded, offset));
  }

  /** Ends a rebuild (S3). `entities` are all there are. */
  async endRebuild(commit: StateCommit, entities: ReadonlyMap<string, EntityChange>): Promise<void> {
    const { folded, derived, head, everything } = commit;
    const spool = new Spool();
    for (const key of this.tables.entity.keys()) if (!entities.has(key)) spool.remove(this.tables.entity, key);
    writeEntities(spool, this.tables, entities);
    const isFirst = this.head() === undefined;
    if (isFirst) writeDerived(spool, this.tables, derived);
    await spool.flush(this.environment);
    await this.environment.commit((batch) => {
      this.#writeFolded(batch, folded, head.offset);
      if (!isFirst) writeDerived(batch, this.tables, derived);
      this.#writeHead(batch, head, everything ? undefined : derived.keys);
      batch.remove(this.tables.head, REBUILD_KEY);
    });
  }

  /**
   * The history loses its rows up to `offset`, in one commit with what `more` writes. A cut that is refused changes nothing.
   * @throws TendrilError as `Environment.commit`, and `DISK_FULL` while a refused commit waits for its repetition
   */
  cutHistory(offset: number, more: (batch: Batch) => void): Promise<void> {
    // Prepared commits that come now wait for it: packs must not move between its writing and its end.
    const cutting = Promise.all([this.#cutting, this.#written]).then(() => this.#cutHistory(offset, more));
    const ended = (): void => {
      if (this.#cutting === settled) this.#cutting = undefined;
    };
    const settled = cutting.then(ended, ended);
    this.#cutting = settled;
    return cutting;
  }

  async #cutHistory(offset: number, more: (batch: Batch) => void): Promise<void> {
    if (this.#waits)
      throw new TendrilError('DISK_FULL', `${this.environment.path}: a commit waits for room on the disk`);
    this.environment.refresh();
    const { history } = this.tables;
    const keep = (bytes: Uint8Array): Uint8Array => rowsAbove(bytes, offset);
    const final = [...history.keys()].filter(([level]) => level === FINAL_LEVEL).sort((a, b) => a[1] - b[1]);
    const straddling = final.find(([, last]) => last > offset);
    const body = straddling === undefined ? undefined : history.get(straddling);
    let putInPlace = (): void => undefined;
    await this.environment.commit((batch) => {
      for (const key of final) if (key[1] <= offset) batch.remove(history, key);
      if (straddling !== undefined && body !== undefined) batch.put(history, straddling, keep(body));
      putInPlace = this.#history.cut(offset, keep, {
        put: (key, bytes) => batch.put(history, key, bytes),
        remove: (key) => batch.remove(history, key),
      });
      more(batch);
    });
    putInPlace();
  }

  close(): Promise<void> {
    return this.environment.close();
  }

  #writeFolded(batch: Batch, folded: FoldedChanges, offset: number): void {
    const { history, idempotency } = this.tables;
    writeRecords(batch, this.tables, folded);
    if (folded.rows.size > 0) {
      this.#history.add(offset, folded.rows.pack(), {
        put: (key, bytes) => batch.put(history, key, bytes),
        remove: (key) => batch.remove(history, key),
      });
    }
    this.#idempotency.add(offset, folded.idempotency, folded.rememberedFrom, {
      put: (key, bytes) => batch.put(idempotency, key, bytes),
      remove: (key) => batch.remove(idempotency, key),
    });
  }

  #writeHead(batch: Batch, head: Head, keys: ReadonlySet<string> | undefined): void {
    batch.put(this.tables.head, HEAD_KEY, encodeHead(head));
    this.#journal.write({ epoch: head.epoch, offset: head.offset, hash: head.hash, chain: head.chain, keys }, batch);
  }
}
