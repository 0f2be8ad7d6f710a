/**
 * Turns a snapshot into a data directory.
 *
 * Invariants
 * I1 Nothing is usable before everything is proven: frames by their checksums, the entities by the state hash, the log by its hash
 *    chain, the record at the offset by its hash. Until then all of it lies in a directory of its own.
 * I2 Resources and read model are not taken over: the next start derives them (its head names no derivation).
 */
import {
  chainStart,
  type LmdbBackend,
  type LogBase,
  nextChain,
  openEventLog,
  openLmdbBackend,
  type RawRecord,
} from '../../log/index.ts';
import type { DiskGuard, StoreLogger } from '../../store/index.ts';
import { EntityTerms } from '../entity-terms.ts';
import { encodeHead } from '../head.ts';
import { Slab } from '../slab.ts';
import { FRAMED_TERM_AT, frameEntity } from '../state-hash.ts';
import { StateStore } from '../state-store.ts';
import { HEAD_KEY } from '../state-tables.ts';
import { requireCounts, requireFit, requireHash, requireTail } from './check.ts';
import { checkpointPath, writeSnapshotFile } from './checkpoint.ts';
import { corrupt, decodeHeader, KINDS, type SnapshotHeader, STATE_PARTS, type StatePart } from './format.ts';
import { type Frame, readFrames } from './read.ts';
import { decodeRows } from './rows.ts';
import { openSource } from './source.ts';
import { BaseImages, putHistoryFrom, putRow, RowWriter } from './state-rows.ts';

export interface InstallOptions {
  /** An empty directory, which becomes a data directory. */
  readonly dir: string;
  readonly mesh: string;
  readonly guard?: DiskGuard;
  readonly logger?: StoreLogger;
  /** Bytes of the snapshot read so far. */
  readonly onProgress?: (bytes: number, header: SnapshotHeader) => void;
}

/** @throws TendrilError `SNAPSHOT_CORRUPT`, `SNAPSHOT_HASH`, `MESH_MISMATCH`, `DATA_FROM_NEWER_VERSION`, `DISK_FULL`. */
export const installSnapshot = async (
  source: AsyncIterable<Uint8Array>,
  options: InstallOptions,
): Promise<SnapshotHeader> => {
  const frames = readFrames(source);
  let header: SnapshotHeader;
  try {
    const { value: first, done } = await frames.next();
    if (done === true) throw corrupt('it is empty');
    header = decodeHeader(first.body);
    requireFit(header, options.mesh);
    const log = await LogPart.open(header, options);
    try {
      const state = await StatePartWriter.open(header, options);
      try {
        for await (const frame of frames) {
          if (frame.kind === KINDS.log) await log.take(frame);
          else await state.take(frame);
          options.onProgress?.(frame.through, header);
        }
        log.finish();
        await state.finish();
      } finally {
        await state.close();
      }
    } finally {
      await log.close();
    }
  } finally {
    await frames.return(undefined);
  }
  if (header.offset > 0 && header.log?.first !== 1) await keepCheckpoint(header, options);
  return header;
};

/** A log that does not begin at the first event needs something to make the state anew from. */
const keepCheckpoint = async (header: SnapshotHeader, options: InstallOptions): Promise<void> => {
  const { dir, mesh, guard } = options;
  const log = await openEventLog({ kind: 'lmdb', dir, mesh, clock: { now: () => 0 }, readingOnly: true });
  try {
    const source = await openSource({ dir, mesh, log, withLog: false, createdBy: header.createdBy });
    try {
      await writeSnapshotFile(checkpointPath(dir), source.bytes, guard);
    } finally {
      await source.close();
    }
  } finally {
    await log.close();
  }
};

const baseOf = (header: SnapshotHeader): LogBase | undefined => {
  if (header.log !== undefined) return header.log.base;
  const { offset, recordedAt, chain, tail } = header;
  return offset === 0 ? undefined : { offset, recordedAt, chain, tail };
};

/** The log: each record follows on the one before, and the chain at the end is the one of the header. */
class LogPart {
  readonly #header: SnapshotHeader;
  readonly #backend: LmdbBackend;
  #chain: Buffer;

  private constructor(header: SnapshotHeader, backend: LmdbBackend) {
    this.#header = header;
    this.#backend = backend;
    const base = baseOf(header);
    this.#chain = base === undefined ? chainStart() : Buffer.from(base.chain, 'hex');
  }

  static async open(header: SnapshotHeader, { dir, mesh, guard }: InstallOptions): Promise<LogPart> {
    const base = baseOf(header);
    const { backend } = await openLmdbBackend({
      dir,
      mesh,
      ...(guard === undefined ? {} : { guard }),
      ...(base === undefined ? {} : { base }),
    });
    return new LogPart(header, backend);
  }

  async take({ body }: Frame): Promise<void> {
    if (this.#header.log === undefined) throw corrupt('records of a log that it should not have');
    const records: RawRecord[] = [];
    for (const { key, value } of decodeRows(body)) {
      if (key !== this.#backend.head.offset + records.length + 1) throw corrupt(`record ${String(key)} out of order`);
      records.push({ offset: key, bytes: value });
      this.#chain = nextChain(this.#chain, value);
    }
    await this.#backend.appendRecords(records);
  }

  finish(): void {
    const { offset } = this.#backend.head;
    if (offset !== this.#header.offset) throw corrupt(`its log ends at ${offset}, not at ${this.#header.offset}`);
    requireHash('hash chain', this.#header.chain, this.#chain.toString('hex'));
  }

  close(): Promise<void> {
    return this.#backend.close();
  }
}

const PART_OF: ReadonlyMap<number, StatePart> = new Map(STATE_PARTS.map((part) => [KINDS[part], part]));

/** The state, but for what is derived. */
class StatePartWriter {
  readonly #header: SnapshotHeader;
  readonly #store: StateStore;
  readonly #writer: RowWriter;
  readonly #terms = new EntityTerms();
  readonly #counts = new Map<StatePart, number>();
  readonly #images: BaseImages | undefined;

  private constructor(header: SnapshotHeader, store: StateStore) {
    this.#header = header;
    this.#store = store;
    this.#writer = new RowWriter(store.environment);
    if (header.log === undefined && header.offset > 0) this.#images = new BaseImages(store.tables, header.offset);
  }

  static async open(header: SnapshotHeader, { dir, mesh, guard }: InstallOptions): Promise<StatePartWriter> {
    const store = await StateStore.open({ dir, mesh, ...(guard === undefined ? {} : { guard }) });
    return new StatePartWriter(header, store);
  }

  async take({ kind, body }: Frame): Promise<void> {
    const part = PART_OF.get(kind);
    const { tables } = this.#store;
    const slab = new Slab();
    for (const { key, value } of decodeRows(body)) {
      if (part === undefined) {
        requireTail(this.#header, key, value);
        continue;
      }
      this.#counts.set(part, (this.#counts.get(part) ?? 0) + 1);
      if (part !== 'entity') putRow(this.#writer, tables, part, key, value);
      else if (typeof key !== 'string' || this.#terms.has(key)) throw corrupt(`entity ${String(key)} twice`);
      else {
        const framed = frameEntity(key, value, slab);
        this.#terms.set(key, framed, FRAMED_TERM_AT);
        this.#writer.put(tables.entity, key, framed.subarray(FRAMED_TERM_AT));
        this.#images?.add(this.#writer, key, value);
      }
      if (this.#writer.isFull) await this.#writer.flush();
    }
    await this.#writer.flush();
  }

  /** I1, I2 */
  async finish(): Promise<void> {
    const header = this.#header;
    requireCounts(header, this.#counts);
    requireHash('state hash', header.hash, this.#terms.hash.hex());
    const { offset, recordedAt, hash, chain, tail, foldVersion, base } = header;
    await this.#writer.flush((batch) => {
      this.#images?.finish(batch);
      if (header.historyFrom !== undefined) putHistoryFrom(batch, this.#store.tables, header.historyFrom);
      batch.put(
        this.#store.tables.head,
        HEAD_KEY,
        encodeHead({
          epoch: 0,
          offset,
          recordedAt,
          hash,
          chain,
          tail,
          foldVersion,
          derivation: '',
          sharedBytes: 0,
          ...(base === undefined ? {} : { base }),
        }),
      );
    });
    await this.#store.environment.flushed();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
