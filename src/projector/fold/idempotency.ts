/**
 * Which (source, id) were seen, and at which offset first (design.md section 5).
 *
 * Entries stand in order of offset in chunks of flat arrays; 64 small hash tables of entry numbers find them. So an entry costs
 * 32 bytes and about 8 for its place in the tables, forgetting is cutting off the front, and no growth stops the fold for
 * longer than one small table takes.
 *
 * Invariants:
 * 1. An entry is remembered while it is at most `events` offsets or at most `ms` of log time old, whichever is longer.
 * 2. Entry numbers ascend with the offset; `head` is the oldest one remembered, smaller numbers in the tables are dead.
 * 3. What is forgotten depends only on offset and recordedAt of the events folded: the same on every replica.
 */
import { type Fingerprint, fingerprint } from './idempotency-key.ts';

export interface IdempotencyWindow {
  /** ms of log time. */
  readonly ms: number;
  /** Offsets. */
  readonly events: number;
}

export const DEFAULT_WINDOW: IdempotencyWindow = { ms: 24 * 3_600_000, events: 2_000_000 };

/** Bytes of one packed entry: 16 fingerprint, 8 offset, 8 recordedAt (doubles, little endian). Packs may be joined. */
export const PACKED_ENTRY = 32;

const CHUNK_BITS = 14;
const CHUNK = 1 << CHUNK_BITS;
const TABLES = 64;
const FIRST_SLOTS = 32;
/** Entry numbers fit 32 bits; long before the end they are counted anew. */
const LAST_NUMBER = 0xfff0_0000;

interface Chunk {
  readonly words: Uint32Array;
  readonly offsets: Float64Array;
  readonly times: Float64Array;
}

/** Slots hold entry number + 1; 0 is empty. */
interface SlotTable {
  slots: Uint32Array;
  used: number;
}

const newChunk = (): Chunk => ({
  words: new Uint32Array(CHUNK * 4),
  offsets: new Float64Array(CHUNK),
  times: new Float64Array(CHUNK),
});

const newTable = (slots: number): SlotTable => ({ slots: new Uint32Array(slots), used: 0 });

export class Idempotency {
  private readonly window: IdempotencyWindow;
  private chunks: Chunk[] = [];
  /** Number of the first entry of `chunks[0]`, a multiple of CHUNK. */
  private base = 0;
  private head = 0;
  private next = 0;
  private drained = 0;
  private tables = Array.from({ length: TABLES }, () => newTable(FIRST_SLOTS));
  private readonly key: Fingerprint = new Uint32Array(4);
  private lastOffset = 0;

  constructor(window: IdempotencyWindow = DEFAULT_WINDOW) {
    this.window = window;
  }

  /** Entries remembered. */
  get size(): number {
    return this.next - this.head;
  }

  /** Offset of the oldest entry remembered; 0: none. Stored packs that end before it can go. */
  get rememberedFrom(): number {
    return this.size === 0 ? 0 : this.offsetOf(this.head);
  }

  /**
   * Offset at which this (source, id) was seen first, or 0 and it is remembered now. To be called in order of offset.
   */
  claim(source: string, id: string, offset: number, recordedAt: number): number {
    this.forget(offset, recordedAt);
    fingerprint(source, id, this.key);
    const found = this.find(this.key);
    if (found >= 0) return this.offsetOf(found);
    this.append(this.key, offset, recordedAt);
    return 0;
  }

  /** Entries since the last drain, packed. */
  drain(): Uint8Array {
    const from = Math.max(this.drained, this.head);
    const packed = new ArrayBuffer((this.next - from) * PACKED_ENTRY);
    const words = new Uint32Array(packed);
    const doubles = new Float64Array(packed);
    for (let number = from, at = 0; number < this.next; number += 1, at += 1) {
      const chunk = this.chunkOf(number);
      const inside = number & (CHUNK - 1);
      for (let i = 0; i < 4; i += 1) words[at * 8 + i] = chunk.words[inside * 4 + i] ?? 0;
      doubles[at * 4 + 2] = chunk.offsets[inside] ?? 0;
      doubles[at * 4 + 3] = chunk.times[inside] ?? 0;
    }
    this.drained = this.next;
    return new Uint8Array(packed);
  }

  /**
   * Takes in packed entries, in ascending order of offset over all calls. Throws when they are not, or when the length is no
   * multiple of `PACKED_ENTRY`.
   */
  load(packed: Uint8Array): void {
    if (packed.length % PACKED_ENTRY !== 0) throw new Error(`idempotency pack of ${packed.length} bytes is cut off`);
    const copy = packed.slice().buffer;
    const words = new Uint32Array(copy);
    const doubles = new Float64Array(copy);
    const key = this.key;
    for (let at = 0; at < packed.length / PACKED_ENTRY; at += 1) {
      for (let i = 0; i < 4; i += 1) key[i] = words[at * 8 + i] ?? 0;
      this.append(key, doubles[at * 4 + 2] ?? 0, doubles[at * 4 + 3] ?? 0);
    }
    this.drained = this.next;
  }

  private append(key: Fingerprint, offset: number, recordedAt: number): void {
    if (offset <= this.lastOffset) throw new Error(`idempotency entry of offset ${offset} after ${this.lastOffset}`);
    this.lastOffset = offset;
    if (this.next >= LAST_NUMBER) this.renumber();
    const number = this.next;
    const inside = number & (CHUNK - 1);
    if (inside === 0) this.chunks.push(newChunk());
    this.next = number + 1;
    const chunk = this.chunkOf(number);
    const { words } = chunk;
    const at = inside * 4;
    words[at] = key[0] ?? 0;
    words[at + 1] = key[1] ?? 0;
    words[at + 2] = key[2] ?? 0;
    words[at + 3] = key[3] ?? 0;
    chunk.offsets[inside] = offset;
    chunk.times[inside] = recordedAt;
    this.insert(number, key[0] ?? 0, key[1] ?? 0);
  }

  /** The log has reached this place: what is too old for it is forgotten (invariant 1). */
  forget(offset: number, recordedAt: number): void {
    while (this.head < this.next) {
      const chunk = this.chunkOf(this.head);
      const inside = this.head & (CHUNK - 1);
      if (offset - (chunk.offsets[inside] ?? 0) <= this.window.events) return;
      if (recordedAt - (chunk.times[inside] ?? 0) <= this.window.ms) return;
      this.head += 1;
      if ((this.head & (CHUNK - 1)) === 0) {
        this.chunks.shift();
        this.base += CHUNK;
      }
    }
  }

  private find(key: Fingerprint): number {
    const { slots } = this.tableOf(key[0] ?? 0);
    const mask = slots.length - 1;
    for (let at = (key[1] ?? 0) & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] ?? 0;
      if (slot === 0) return -1;
      if (slot > this.head && this.isAt(slot - 1, key)) return slot - 1;
    }
  }

  private insert(number: number, tableWord: number, slotWord: number): void {
    let table = this.tableOf(tableWord);
    if (table.used >= table.slots.length * 0.7) table = this.rebuild(tableWord % TABLES);
    const { slots } = table;
    const mask = slots.length - 1;
    let at = slotWord & mask;
    while ((slots[at] ?? 0) > this.head) at = (at + 1) & mask;
    if (slots[at] === 0) table.used += 1;
    slots[at] = number + 1;
  }

  /** A table with room for twice its living entries; dead ones are left out. */
  private rebuild(index: number): SlotTable {
    const old = this.tables[index] ?? newTable(FIRST_SLOTS);
    let living = 0;
    for (const slot of old.slots) if (slot > this.head) living += 1;
    let size = FIRST_SLOTS;
    while (size * 0.7 < living * 2) size *= 2;
    const table = newTable(size);
    const mask = size - 1;
    for (const slot of old.slots) {
      if (slot <= this.head) continue;
      const number = slot - 1;
      const slotWord = this.chunkOf(number).words[(number & (CHUNK - 1)) * 4 + 1] ?? 0;
      let at = slotWord & mask;
      while (table.slots[at] !== 0) at = (at + 1) & mask;
      table.slots[at] = slot;
    }
    table.used = living;
    this.tables[index] = table;
    return table;
  }

  /** Counts entries from 0 again and builds the tables anew. */
  private renumber(): void {
    const shift = this.base;
    this.base = 0;
    this.head -= shift;
    this.next -= shift;
    this.drained = Math.max(0, this.drained - shift);
    const tables = this.tables;
    this.tables = tables.map((table) => newTable(table.slots.length));
    for (let number = this.head; number < this.next; number += 1) {
      const words = this.chunkOf(number).words;
      const inside = (number & (CHUNK - 1)) * 4;
      this.insert(number, words[inside] ?? 0, words[inside + 1] ?? 0);
    }
  }

  private isAt(number: number, key: Fingerprint): boolean {
    const { words } = this.chunkOf(number);
    const at = (number & (CHUNK - 1)) * 4;
    return words[at] === key[0] && words[at + 1] === key[1] && words[at + 2] === key[2] && words[at + 3] === key[3];
  }

  private offsetOf(number: number): number {
    return this.chunkOf(number).offsets[number & (CHUNK - 1)] ?? 0;
  }

  private chunkOf(number: number): Chunk {
    const chunk = this.chunks[(number - this.base) >> CHUNK_BITS];
    if (chunk === undefined) throw new Error(`idempotency entry ${number} is not there`);
    return chunk;
  }

  private tableOf(word: number): SlotTable {
    const table = this.tables[word % TABLES];
    if (table === undefined) throw new Error('idempotency tables are incomplete');
    return table;
  }
}
