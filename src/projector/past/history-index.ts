/**
 * The history index in memory: which events and images an owner has, by binary search in each pack. 12 bytes a row, so 24 MB for a log
 * of a million events; the reader drops it when nobody asks.
 */
import { eachSubjectRow, findRows, type HistoryRow, hasEventAbove, rowsAbove, wordsOf } from '../history-rows.ts';
import type { StateQueries } from '../state-queries.ts';
import { inSlices } from '../turns.ts';

export class HistoryIndex {
  readonly #queries: StateQueries;
  /** Disjoint ranges of offsets, ascending (T1 of tiers.ts); `last` is the highest of a pack. */
  readonly #packs: { readonly last: number; readonly bytes: Uint8Array; readonly words: Uint32Array }[] = [];
  #through = 0;
  #rawAtBase: { readonly base: number; readonly keys: Promise<readonly string[]> } | undefined;

  constructor(queries: StateQueries) {
    this.#queries = queries;
  }

  /** Takes in what was committed since. What is read of the state in the same turn is of the same commit. */
  catchUp(): void {
    const before = this.#through;
    for (const { last, bytes } of this.#queries.historyPacks(before)) {
      const words = wordsOf(before === 0 ? bytes : rowsAbove(bytes, before));
      this.#packs.push({ last, words, bytes: new Uint8Array(words.buffer) });
      this.#through = last;
    }
  }

  /** Keys of raw resources that were there where the history begins: the events that put them are gone. */
  rawKeysAtBase(): Promise<readonly string[]> {
    const base = this.#queries.historyFrom();
    if (base === 0) return Promise.resolve([]);
    if (this.#rawAtBase?.base !== base) {
      const keys = inSlices(this.#queries.imageKeys(base, 'raw/'), 1);
      this.#rawAtBase = { base, keys };
    }
    return this.#rawAtBase.keys;
  }

  /** First offset in `after < offset <= upTo` of every subject that has one there, ascending. Yields after each pack that it walks. */
  *firstOffsets(after: number, upTo: number): Generator<void, readonly number[]> {
    const first = new Map<number, number>();
    let before = 0;
    for (const { last, bytes } of this.#packs) {
      if (before >= upTo) break;
      before = last;
      if (last <= after) continue;
      eachSubjectRow(bytes, (mark, offset) => {
        if (offset > after && offset <= upTo && !first.has(mark)) first.set(mark, offset);
      });
      yield;
    }
    return [...new Set(first.values())].sort((a, b) => a - b);
  }

  /** True when an owner has an event with an offset above `after`. Newest first: most of what is asked is found there, or not at all. */
  hasEvent(hash: number, after: number): boolean {
    for (let at = this.#packs.length - 1; at >= 0; at--) {
      const pack = this.#packs[at];
      if (pack === undefined || pack.last <= after) return false;
      if (hasEventAbove(pack.words, hash, after)) return true;
    }
    return false;
  }

  /** Rows of an owner with offsets above `after`, up to `upTo`, ascending. */
  rowsOf(hash: number, after: number, upTo: number): HistoryRow[] {
    const rows: HistoryRow[] = [];
    let before = 0;
    for (const { last, bytes } of this.#packs) {
      if (before >= upTo) break;
      before = last;
      if (last <= after) continue;
      for (const row of findRows(bytes, hash)) if (row.offset > after && row.offset <= upTo) rows.push(row);
    }
    return rows;
  }
}
