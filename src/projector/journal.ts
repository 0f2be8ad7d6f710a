/**
 * Journal of commits: epoch -> what changed with it, so that a worker that missed notices catches up, and so that the state's
 * proof at recent commits can be asked for.
 *
 * Bound: 10,000 epochs and 64 MiB; at the bound the oldest go. An epoch with more than 50,000 keys says only "everything". Who
 * is further behind compares everything.
 */
import type { Batch, Table } from '../store/index.ts';
import { TERM_BYTES } from './state-hash.ts';
import type { ModelChanges } from './types.ts';

export const MAX_EPOCHS = 10_000;
const MAX_BYTES = 64 * 2 ** 20;
const MAX_KEYS = 50_000;
/** Most keys handed to a reader at once; above that comparing everything is cheaper. */
const MAX_READ_KEYS = 200_000;

/** `[bytes of the journal up to here f64][offset f64][state hash][chain][keys as JSON, or nothing for everything]` */
const OFFSET_AT = 8;
const HASH_AT = 16;
const CHAIN_AT = HASH_AT + TERM_BYTES;
const KEYS_AT = CHAIN_AT + TERM_BYTES;

export interface JournalEntry {
  readonly epoch: number;
  readonly offset: number;
  /** Hexadecimal. */
  readonly hash: string;
  readonly chain: string;
  /** Undefined: everything. */
  readonly keys: ReadonlySet<string> | undefined;
}

const lastKey = (table: Table<number>, reverse: boolean): number | undefined => {
  for (const key of table.keys({ limit: 1, reverse })) return key;
  return undefined;
};

export class JournalWriter {
  readonly #table: Table<number>;
  #first: number | undefined;
  #bytes = 0;
  /** Bytes of the journal in front of `#first`. */
  #gone = 0;

  constructor(table: Table<number>) {
    this.#table = table;
    this.#first = lastKey(table, false);
    const last = lastKey(table, true);
    if (this.#first === undefined || last === undefined) return;
    this.#bytes = this.#end(last);
    this.#gone = this.#end(this.#first);
  }

  /** Writes an entry with an epoch above all others, and removes what is beyond the bounds. */
  write(entry: JournalEntry, batch: Batch): void {
    const { epoch, offset, hash, chain, keys } = entry;
    const text = keys === undefined || keys.size > MAX_KEYS ? '' : JSON.stringify([...keys]);
    const body = Buffer.allocUnsafe(KEYS_AT + Buffer.byteLength(text));
    this.#bytes += body.length;
    body.writeDoubleLE(this.#bytes, 0);
    body.writeDoubleLE(offset, OFFSET_AT);
    body.write(hash, HASH_AT, 'hex');
    body.write(chain, CHAIN_AT, 'hex');
    body.write(text, KEYS_AT);
    batch.put(this.#table, epoch, body);
    this.#first ??= epoch;
    while (this.#first < epoch && (epoch - this.#first >= MAX_EPOCHS || this.#bytes - this.#gone > MAX_BYTES)) {
      batch.remove(this.#table, this.#first);
      this.#gone = this.#end(this.#first);
      this.#first++;
    }
  }

  #end(epoch: number): number {
    return this.#table.peek(epoch)?.readDoubleLE(0) ?? this.#gone;
  }
}

/** Keys changed after `since`, up to the newest committed `epoch`. */
export const readJournal = (table: Table<number>, since: number, epoch: number): ModelChanges => {
  if (since === epoch) return { epoch, keys: [], everything: false };
  const everything: ModelChanges = { epoch, keys: [], everything: true };
  if (since > epoch || since < 0 || epoch - since > MAX_EPOCHS) return everything;
  const keys = new Set<string>();
  for (let next = since + 1; next <= epoch; next++) {
    const body = table.peek(next);
    if (body === undefined || body.length <= KEYS_AT) return everything;
    for (const key of JSON.parse(body.toString('utf8', KEYS_AT, body.length)) as readonly string[]) keys.add(key);
    if (keys.size > MAX_READ_KEYS) return everything;
  }
  return { epoch, keys: [...keys], everything: false };
};

/** State hash and chain (hexadecimal) of the newest commit at or below an offset. */
export const proofInJournal = (
  table: Table<number>,
  offset: number,
): { readonly offset: number; readonly hash: string; readonly chain: string } | undefined => {
  let low = lastKey(table, false);
  let high = lastKey(table, true);
  if (low === undefined || high === undefined) return undefined;
  const offsetAt = (epoch: number): number => table.peek(epoch)?.readDoubleLE(OFFSET_AT) ?? Number.POSITIVE_INFINITY;
  if (offsetAt(low) > offset) return undefined;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (offsetAt(middle) <= offset) low = middle;
    else high = middle - 1;
  }
  const body = table.peek(low);
  if (body === undefined) return undefined;
  return {
    offset: body.readDoubleLE(OFFSET_AT),
    hash: body.toString('hex', HASH_AT, CHAIN_AT),
    chain: body.toString('hex', CHAIN_AT, KEYS_AT),
  };
};
