/**
 * Stored edges of one caller, ascending by target, in columns: 300,000 edges as objects would cost three times the memory.
 *
 * Invariants:
 * 1. A list never changes; `with` gives another one.
 * 2. `record(i)` is equal to the record that was put there, and has no field that it had not.
 * 3. Texts are shared: equal targets and witnesses of a `TextPool` are one string.
 */
import { canExpire, usedAt } from './life.ts';
import type { TextPool } from './text-pool.ts';
import type { EdgeEvidence, EdgeRecord } from './types.ts';

/** Numbers of one edge: firstOffset, lastOffset, firstSeen, lastSeen, usedAt (-1: none), flags. */
const WIDTH = 6;
const USED = 4;
const FLAGS = 5;
const NO_USE = -1;

const SUBSCRIBED = 1;
const OBSERVED = 2;
const EXPIRED = 4;
const RETURNED_SHIFT = 3;
const RETURNED_MASK = 3;

/** By the two bits of evidence. */
const EVIDENCE: readonly (readonly EdgeEvidence[])[] = [[], ['subscribed'], ['observed'], ['observed', 'subscribed']];

const NO_TEXTS: readonly string[] = [];
const NO_EVIDENCE: readonly EdgeEvidence[] = [];

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What operators and adapters said of an edge; most edges have no such word. */
interface Words {
  readonly declaredBy: readonly string[];
  readonly pinnedBy?: readonly string[];
  readonly deniedBy?: readonly string[];
}

const flagsOf = (edge: EdgeRecord): number =>
  (edge.evidence.includes('subscribed') ? SUBSCRIBED : 0) |
  (edge.evidence.includes('observed') ? OBSERVED : 0) |
  (edge.expired === true ? EXPIRED : 0) |
  ((edge.returned ?? 0) << RETURNED_SHIFT);

const wordsOf = ({ declaredBy, pinnedBy, deniedBy }: EdgeRecord): Words | undefined =>
  declaredBy.length === 0 && pinnedBy === undefined && deniedBy === undefined
    ? undefined
    : {
        declaredBy,
        ...(pinnedBy === undefined ? {} : { pinnedBy }),
        ...(deniedBy === undefined ? {} : { deniedBy }),
      };

export class EdgeList implements Iterable<EdgeRecord> {
  static readonly EMPTY = new EdgeList('', [], [], [], undefined);

  readonly #from: string;
  readonly #targets: readonly string[];
  readonly #numbers: readonly number[];
  /** Two per edge; '' where there is none. */
  readonly #witnesses: readonly string[];
  readonly #words: ReadonlyMap<string, Words> | undefined;
  #leastUsed: number | undefined;

  private constructor(
    from: string,
    targets: readonly string[],
    numbers: readonly number[],
    witnesses: readonly string[],
    words: ReadonlyMap<string, Words> | undefined,
  ) {
    this.#from = from;
    this.#targets = targets;
    this.#numbers = numbers;
    this.#witnesses = witnesses;
    this.#words = words;
  }

  /** @param edges of one caller, ascending by target */
  static of(edges: Iterable<EdgeRecord>, pool: TextPool): EdgeList {
    let from = '';
    const targets: string[] = [];
    const numbers: number[] = [];
    const witnesses: string[] = [];
    const words = new Map<string, Words>();
    for (const edge of edges) {
      from = pool.text(edge.from);
      const to = pool.text(edge.to);
      targets.push(to);
      numbers.push(...columnsOf(edge));
      witnesses.push(...witnessesOf(edge, pool));
      const said = wordsOf(edge);
      if (said !== undefined) words.set(to, said);
    }
    // Built by growing: cut to size.
    return new EdgeList(
      from,
      targets.slice(),
      numbers.slice(),
      witnesses.slice(),
      words.size === 0 ? undefined : words,
    );
  }

  /** When the edge that may expire first was last used, ms; Infinity: none may. */
  get leastUsed(): number {
    if (this.#leastUsed === undefined) {
      this.#leastUsed = Number.POSITIVE_INFINITY;
      for (const edge of this) if (canExpire(edge)) this.#leastUsed = Math.min(this.#leastUsed, usedAt(edge));
    }
    return this.#leastUsed;
  }

  get size(): number {
    return this.#targets.length;
  }

  *[Symbol.iterator](): Iterator<EdgeRecord> {
    for (let at = 0; at < this.#targets.length; at += 1) yield this.#record(at);
  }

  /** Targets, ascending. */
  targets(): readonly string[] {
    return this.#targets;
  }

  find(to: string): EdgeRecord | undefined {
    const at = this.#search(to);
    return at < 0 ? undefined : this.#record(at);
  }

  /** The list with this edge put, replaced or (undefined) taken out; the same list when there is nothing to take out. */
  with(to: string, edge: EdgeRecord | undefined, pool: TextPool): EdgeList {
    const found = this.#search(to);
    const at = found < 0 ? -found - 1 : found;
    const gone = found < 0 ? 0 : 1;
    if (edge === undefined && gone === 0) return this;
    if (edge !== undefined && gone === 1) return this.replaced([edge], pool);
    const targets = this.#targets.slice();
    const numbers = this.#numbers.slice();
    const witnesses = this.#witnesses.slice();
    if (edge === undefined) {
      targets.splice(at, gone);
      numbers.splice(at * WIDTH, gone * WIDTH);
      witnesses.splice(at * 2, gone * 2);
    } else {
      targets.splice(at, 0, pool.text(to));
      numbers.splice(at * WIDTH, 0, ...columnsOf(edge));
      witnesses.splice(at * 2, 0, ...witnessesOf(edge, pool));
    }
    return new EdgeList(
      edge === undefined ? this.#from : pool.text(edge.from),
      targets,
      numbers,
      witnesses,
      wordsWith(this.#words, to, edge),
    );
  }

  /** The list with these edges in place of those of the same targets; edges that it does not have are left out. */
  replaced(edges: Iterable<EdgeRecord>, pool: TextPool): EdgeList {
    const numbers = this.#numbers.slice();
    const witnesses = this.#witnesses.slice();
    let words = this.#words;
    for (const edge of edges) {
      const at = this.#search(edge.to);
      if (at < 0) continue;
      for (const [column, number] of columnsOf(edge).entries()) numbers[at * WIDTH + column] = number;
      for (const [place, witness] of witnessesOf(edge, pool).entries()) witnesses[at * 2 + place] = witness;
      words = wordsWith(words, edge.to, edge);
    }
    return new EdgeList(this.#from, this.#targets, numbers, witnesses, words);
  }

  /** Index of a target, or -(place to insert) - 1. */
  #search(to: string): number {
    let low = 0;
    let high = this.#targets.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#targets[middle] ?? '';
      if (found === to) return middle;
      if (found < to) low = middle + 1;
      else high = middle - 1;
    }
    return -low - 1;
  }

  /** Field by field: objects put together by spreading cost five times as much, and a derivation reads every edge of a caller. */
  #record(at: number): EdgeRecord {
    const to = this.#targets[at] ?? '';
    const numbers = this.#numbers;
    const start = at * WIDTH;
    const flags = numbers[start + FLAGS] ?? 0;
    const words = this.#words?.get(to);
    const record: Writable<EdgeRecord> = {
      from: this.#from,
      to,
      declaredBy: words?.declaredBy ?? NO_TEXTS,
      pinned: words?.pinnedBy !== undefined,
      denied: words?.deniedBy !== undefined,
      evidence: EVIDENCE[flags & (SUBSCRIBED | OBSERVED)] ?? NO_EVIDENCE,
      witnesses: this.#witnessesOf(at),
      firstOffset: numbers[start] ?? 0,
      lastOffset: numbers[start + 1] ?? 0,
      firstSeen: numbers[start + 2] ?? 0,
      lastSeen: numbers[start + 3] ?? 0,
    };
    const used = numbers[start + USED] ?? NO_USE;
    if (used !== NO_USE) record.usedAt = used;
    const returned = (flags >> RETURNED_SHIFT) & RETURNED_MASK;
    if (returned !== 0) record.returned = returned;
    if ((flags & EXPIRED) !== 0) record.expired = true;
    if (words?.pinnedBy !== undefined) record.pinnedBy = words.pinnedBy;
    if (words?.deniedBy !== undefined) record.deniedBy = words.deniedBy;
    return record;
  }

  #witnessesOf(at: number): readonly string[] {
    const first = this.#witnesses[at * 2] ?? '';
    const second = this.#witnesses[at * 2 + 1] ?? '';
    if (first === '') return NO_TEXTS;
    return second === '' ? [first] : [first, second];
  }
}

type WordsOf = ReadonlyMap<string, Words> | undefined;

const wordsWith = (before: WordsOf, to: string, edge: EdgeRecord | undefined): WordsOf => {
  const said = edge === undefined ? undefined : wordsOf(edge);
  if (said === undefined && before?.has(to) !== true) return before;
  const words = new Map(before);
  if (said === undefined) words.delete(to);
  else words.set(to, said);
  return words.size === 0 ? undefined : words;
};

const columnsOf = (edge: EdgeRecord): readonly number[] => [
  edge.firstOffset,
  edge.lastOffset,
  edge.firstSeen,
  edge.lastSeen,
  edge.usedAt ?? NO_USE,
  flagsOf(edge),
];

const witnessesOf = ({ witnesses }: EdgeRecord, pool: TextPool): readonly string[] => [
  witnesses[0] === undefined ? '' : pool.text(witnesses[0]),
  witnesses[1] === undefined ? '' : pool.text(witnesses[1]),
];
