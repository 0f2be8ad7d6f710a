/** Rows of a snapshot on their way into the tables of a state. */
import type { Batch, Environment, Table, TableKey } from '../../store/index.ts';
import { countStored, noCounts } from '../fold/stored-counts.ts';
import { hashOf, KIND_IMAGE, RowCollector } from '../history-rows.ts';
import { HISTORY_KEY, type StateTables } from '../state-tables.ts';
import { FINAL_LEVEL } from '../tiers.ts';
import { encodeImage } from '../write-changes.ts';
import type { StatePart } from './format.ts';

/** Of one commit: readers and the event loop are not held up for long. */
const COMMIT_BYTES = 4 * 2 ** 20;
const COMMIT_ROWS = 8_192;

/** Collects rows and writes them in commits of bounded size. What it is given must be memory of its own. */
export class RowWriter {
  readonly #environment: Environment;
  #rows: { readonly table: Table<TableKey>; readonly key: TableKey; readonly value: Uint8Array | undefined }[] = [];
  #bytes = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** @param value undefined: the row is removed */
  put<K extends TableKey>(table: Table<K>, key: K, value: Uint8Array | undefined): void {
    this.#rows.push({ table: table as unknown as Table<TableKey>, key, value });
    this.#bytes += value?.length ?? 0;
  }

  get isFull(): boolean {
    return this.#bytes >= COMMIT_BYTES || this.#rows.length >= COMMIT_ROWS;
  }

  /** Resolves when what was put is committed. */
  async flush(more?: (batch: Batch) => void): Promise<void> {
    const rows = this.#rows;
    this.#rows = [];
    this.#bytes = 0;
    if (rows.length === 0 && more === undefined) return;
    await this.#environment.commit((batch) => {
      for (const { table, key, value } of rows) {
        if (value === undefined) batch.remove(table, key);
        else batch.put(table, key, value);
      }
      more?.(batch);
    });
  }
}

/** A row as it is stored. Entities are not: their terms are computed anew. */
export const putRow = (
  writer: RowWriter,
  tables: StateTables,
  part: Exclude<StatePart, 'entity'>,
  key: TableKey,
  value: Uint8Array,
): void => {
  const table = tables[part] as unknown as Table<TableKey>;
  writer.put(table, key, value);
  if (part !== 'outcome') return;
  const { status } = JSON.parse(Buffer.from(value).toString()) as { readonly status?: unknown };
  if (status === 'quarantined') writer.put(tables.quarantine as unknown as Table<TableKey>, key, value);
};

const BLOCKS = 'eps/';

/** Beside the images of a base: the highest number of a block of a service's endpoints (u32), where that is above 0. */
export const highestBlockKey = (service: string): string => `highest-block/${service}`;

/**
 * All entities at one offset as images of the history: what it is read from when the events before that offset are gone. It is
 * complete, and the history begins there, when `finish` has been committed.
 */
export class BaseImages {
  readonly #tables: StateTables;
  readonly #offset: number;
  readonly #rows = new RowCollector();
  /** Numbers given at this offset. */
  readonly #taken = new Set<number>();
  readonly #counts = noCounts();
  /** By service, of those with more than block 0. Numbers have gaps: who looks for blocks must know where they end. */
  readonly #highest = new Map<string, number>();

  constructor(tables: StateTables, offset: number) {
    this.#tables = tables;
    this.#offset = offset;
  }

  add(writer: RowWriter, key: string, bytes: Uint8Array): void {
    countStored(this.#counts, key, bytes);
    if (key.startsWith(BLOCKS)) this.#noteBlock(key);
    writer.put(this.#tables.image, [this.#offset, this.#numberOf(key)], encodeImage(key, bytes));
    this.#rows.add(hashOf(key), this.#offset, KIND_IMAGE);
  }

  finish(batch: Batch): void {
    const { history, image } = this.#tables;
    for (const [service, number] of this.#highest) {
      const key = highestBlockKey(service);
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(number);
      batch.put(image, [this.#offset, this.#numberOf(key)], encodeImage(key, bytes));
    }
    if (this.#rows.size > 0) batch.put(history, [FINAL_LEVEL, this.#offset], this.#rows.pack());
    batch.put(this.#tables.count, this.#offset, Buffer.from(JSON.stringify(this.#counts)));
    putHistoryFrom(batch, this.#tables, this.#offset);
  }

  /** As the fold numbers its own: one that it took at this offset is of the same entity and bytes. */
  #numberOf(key: string): number {
    let number = hashOf(key);
    while (this.#taken.has(number)) number++;
    this.#taken.add(number);
    return number;
  }

  #noteBlock(key: string): void {
    const end = key.lastIndexOf('/');
    const service = key.slice(BLOCKS.length, end);
    const number = Number(key.slice(end + 1));
    if (number > (this.#highest.get(service) ?? 0)) this.#highest.set(service, number);
  }
}

/** Offset at which the history begins; 0: with the first event. */
export const historyFromOf = (tables: StateTables): number => tables.head.peek(HISTORY_KEY)?.readDoubleLE(0) ?? 0;

export const putHistoryFrom = (batch: Batch, tables: StateTables, offset: number): void => {
  const body = Buffer.alloc(8);
  body.writeDoubleLE(offset);
  batch.put(tables.head, HISTORY_KEY, body);
};
