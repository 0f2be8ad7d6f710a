/**
 * Which (source, id) were seen, and at which offset first (design.md section 5).
 *
 * Entries stand in order of offset; 64 small hash tables of entry numbers find them. So an entry costs 32 bytes and 6 to 11 for
 * its place in the tables, forgetting is cutting off the front, and no growth stops the fold for longer than one small table
 * takes.
 *
 * Invariants:
 * 1. An entry is remembered while it is at most `events` offsets or at most `ms` of log time old, whichever is longer.
 * 2. Entry numbers ascend with the offset; `head` is the oldest one remembered, smaller numbers in the tables are dead.
 * 3. What is forgotten depends only on offset and recordedAt of the events folded: the same on every replica.
 */
import { IdempotencyEntries } from './idempotency-entries.ts';
import { type Fingerprint, fingerprint } from './idempotency-key.ts';

export interface IdempotencyWindow {
  /** ms of log time. */
  readonly ms: number;
  /** Offsets. */
  readonly events: number;
}

export const DEFAULT_WINDOW: IdempotencyWindow = { ms: 24 * 3_600_000, events: 2_000_000 };

const TABLES = 64;
const FIRST_SLOTS = 32;
/** Share of the slots of a table; more would make searches long. */
const MOST_USED = 0.7;
/** Entry numbers fit 32 bits; long before the end they are counted anew. */
const LAST_NUMBER = 0xfff0_0000;

/** Slots hold entry number + 1; 0 is empty. */
interface SlotTable {
  slots: Uint32Array;
  used: number;
}

/** Slots for twice as many entries. */
const slotsFor = (living: number): number => {
  let slots = FIRST_SLOTS;
  while (slots * MOST_USED < living * 2) slots *= 2;
  return slots;
};

/** @param entries pairs of slot value and word, all different */
const filledTable = (entries: Uint32Array): SlotTable => {
  const used = entries.length / 2;
  const slots = new Uint32Array(slotsFor(used));
  const mask = slots.length - 1;
  for (let entry = 0; entry < entries.length; entry += 2) {
    let at = (entries[entry + 1] ?? 0) & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = entries[entry] ?? 0;
  }
  return { slots, used };
};

export class Idempotency {
  private readonly window: IdempotencyWindow;
  private readonly entries = new IdempotencyEntries();
  private head = 0;
  private drained = 0;
  private tables = Array.from({ length: TABLES }, () => filledTable(new Uint32Array(0)));
  /** Entries were loaded that no table has yet. */
  private isStale = false;
  private readonly key: Fingerprint = new Uint32Array(4);
  private readonly lastNumber: number;

  /** @param lastNumber where entries are counted anew; for tests */
  constructor(window: IdempotencyWindow = DEFAULT_WINDOW, lastNumber: number = LAST_NUMBER) {
    this.window = window;
    this.lastNumber = lastNumber;
  }

  /** Entries remembered. */
  get size(): number {
    return this.entries.next - this.head;
  }

  /** Offset of the oldest entry remembered; 0: none. Stored packs that end before it can go. */
  get rememberedFrom(): number {
    return this.size === 0 ? 0 : this.entries.offsetOf(this.head);
  }

  /**
   * Offset at which this (source, id) was seen first, or 0 and it is remembered now. To be called in order of offset.
   */
  claim(source: string, id: string, offset: number, recordedAt: number): number {
    this.forget(offset, recordedAt);
    if (this.isStale) this.buildTables();
    fingerprint(source, id, this.key);
    const found = this.find(this.key);
    if (found >= 0) return this.entries.offsetOf(found);
    if (this.entries.next >= this.lastNumber) this.renumber();
    const number = this.entries.append(this.key, offset, recordedAt);
    this.insert(number, this.key[0] ?? 0, this.key[1] ?? 0);
    return 0;
  }

  /** The log has reached this place: what is too old for it is forgotten (invariant 1). */
  forget(offset: number, recordedAt: number): void {
    const { entries, window } = this;
    const before = this.head;
    while (this.head < entries.next) {
      if (offset - entries.offsetOf(this.head) <= window.events) break;
      if (recordedAt - entries.recordedAtOf(this.head) <= window.ms) break;
      this.head += 1;
    }
    if (this.head !== before) entries.dropBefore(this.head);
  }

  /** Entries since the last drain, packed. */
  drain(): Uint8Array {
    const packed = this.entries.pack(Math.max(this.drained, this.head));
    this.drained = this.entries.next;
    return packed;
  }

  /**
   * Takes in packed entries, in ascending order of offset over all calls. Throws when they are not, or when the length is no
   * multiple of `PACKED_ENTRY`. `loaded` ends it.
   */
  load(packed: Uint8Array): void {
    if (this.entries.next >= this.lastNumber) this.renumber();
    this.entries.load(packed);
    this.drained = this.entries.next;
    this.isStale = true;
  }

  /** Loading has ended: builds the tables, once for all packs. (The first question would do it, too.) */
  loaded(): void {
    if (this.isStale) this.buildTables();
  }

  private find(key: Fingerprint): number {
    const { slots } = this.tableOf(key[0] ?? 0);
    const mask = slots.length - 1;
    for (let at = (key[1] ?? 0) & mask; ; at = (at + 1) & mask) {
      const slot = slots[at] ?? 0;
      if (slot === 0) return -1;
      if (slot > this.head && this.entries.isAt(slot - 1, key)) return slot - 1;
    }
  }

  private insert(number: number, tableWord: number, slotWord: number): void {
    let table = this.tableOf(tableWord);
    if (table.used >= table.slots.length * MOST_USED) table = this.rebuild(tableWord % TABLES);
    const { slots } = table;
    const mask = slots.length - 1;
    let at = slotWord & mask;
    while ((slots[at] ?? 0) > this.head) at = (at + 1) & mask;
    if (slots[at] === 0) table.used += 1;
    slots[at] = number + 1;
  }

  /** A table with room for twice its living entries; dead ones are left out. */
  private rebuild(index: number): SlotTable {
    const slots = this.tables[index]?.slots.filter((slot) => slot > this.head) ?? new Uint32Array(0);
    const pairs = new Uint32Array(slots.length * 2);
    for (const [at, slot] of slots.entries()) {
      pairs[at * 2] = slot;
      pairs[at * 2 + 1] = this.entries.wordOf(slot - 1, 1);
    }
    const table = filledTable(pairs);
    this.tables[index] = table;
    return table;
  }

  /**
   * All tables anew, each with the room that it needs. Entries are sorted by table first, so that each table is filled while
   * it is in the processor's cache.
   */
  private buildTables(): void {
    const sizes = new Array<number>(TABLES).fill(0);
    this.entries.each(this.head, (_number, tableWord) => {
      sizes[tableWord % TABLES] = (sizes[tableWord % TABLES] ?? 0) + 1;
    });
    const pairs = sizes.map((size) => new Uint32Array(size * 2));
    const filled = new Uint32Array(TABLES);
    this.entries.each(this.head, (number, tableWord, slotWord) => {
      const index = tableWord % TABLES;
      const at = filled[index] ?? 0;
      filled[index] = at + 2;
      const table = pairs[index];
      if (table === undefined) return;
      table[at] = number + 1;
      table[at + 1] = slotWord;
    });
    this.tables = pairs.map(filledTable);
    this.isStale = false;
  }

  /** Counts entries from 0 again and builds the tables anew. */
  private renumber(): void {
    const shift = this.entries.renumber();
    this.head -= shift;
    this.drained = Math.max(0, this.drained - shift);
    this.buildTables();
  }

  private tableOf(word: number): SlotTable {
    const table = this.tables[word % TABLES];
    if (table === undefined) throw new Error('idempotency tables are incomplete');
    return table;
  }
}
