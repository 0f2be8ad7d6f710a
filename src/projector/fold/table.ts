/**
 * Keyed state with undo and a memory of what changed: the ground that every entity of the fold stands on.
 *
 * Invariants:
 * 1. Values are never changed in place: a write replaces the value, so an old one can be put back.
 * 2. After `Journal.rollback` every table is as it was at the last `commit`; `onChange` saw the way back too, so indexes
 *    that live from it agree.
 * 3. `drain` gives each key whose value differs from the last drain exactly once; what was rolled back is not among them.
 */

/** Place of one key. Reducers that read before they write look it up once. */
export interface Cell<V> {
  readonly key: string;
  /** Undefined: the key is not there. Written by `Table.write` only. */
  value: V | undefined;
  /** Value at the last drain, where `isDirty`. */
  drained: V | undefined;
  isDirty: boolean;
}

interface Restorable {
  restore(cell: Cell<unknown>, value: unknown): void;
}

/** Undo log of the decision that is being made: one event, or a whole batch. Kept at its largest size, not shrunk each time. */
export class Journal {
  private readonly tables: (Restorable | undefined)[] = [];
  private readonly cells: (Cell<unknown> | undefined)[] = [];
  private readonly values: unknown[] = [];
  private size = 0;

  record(table: Restorable, cell: Cell<unknown>, value: unknown): void {
    const at = this.size;
    this.size = at + 1;
    this.tables[at] = table;
    this.cells[at] = cell;
    this.values[at] = value;
  }

  commit(): void {
    // A few old values may stay referenced here; those of a large batch shall not.
    if (this.size > 64) {
      this.tables.length = 0;
      this.cells.length = 0;
      this.values.length = 0;
    }
    this.size = 0;
  }

  rollback(): void {
    for (let at = this.size - 1; at >= 0; at -= 1) {
      const cell = this.cells[at];
      if (cell !== undefined) this.tables[at]?.restore(cell, this.values[at]);
    }
    this.commit();
  }
}

export type ChangeListener<V> = (key: string, before: V | undefined, after: V | undefined) => void;

/** What a drain tells of one key. */
export interface TableChange<V> {
  readonly key: string;
  readonly before: V | undefined;
  readonly after: V | undefined;
}

export class Table<V extends object> implements Restorable {
  private readonly cells = new Map<string, Cell<V>>();
  private dirty: Cell<V>[] = [];
  private readonly journal: Journal;
  private readonly onChange: ChangeListener<V> | undefined;

  constructor(journal: Journal, onChange?: ChangeListener<V>) {
    this.journal = journal;
    this.onChange = onChange;
  }

  get(key: string): V | undefined {
    return this.cells.get(key)?.value;
  }

  /** The place of a key, made where there is none. Good until the next drain. */
  cell(key: string): Cell<V> {
    let cell = this.cells.get(key);
    if (cell === undefined) {
      cell = { key, value: undefined, drained: undefined, isDirty: false };
      this.cells.set(key, cell);
      // Empty places are cleared at the drain.
      this.markDirty(cell);
    }
    return cell;
  }

  *keys(): Iterable<string> {
    for (const cell of this.cells.values()) if (cell.value !== undefined) yield cell.key;
  }

  /** Writes a value, or removes it (undefined). */
  set(key: string, value: V | undefined): void {
    this.write(this.cell(key), value);
  }

  /** As `set`, for a place already looked up. */
  write(cell: Cell<V>, value: V | undefined): void {
    const before = cell.value;
    this.journal.record(this, cell as Cell<unknown>, before);
    if (!cell.isDirty) this.markDirty(cell);
    cell.value = value;
    this.onChange?.(cell.key, before, value);
  }

  /** Puts a stored value in place: no undo, not part of the next drain. */
  load(key: string, value: V): void {
    const before = this.cells.get(key)?.value;
    this.cells.set(key, { key, value, drained: undefined, isDirty: false });
    this.onChange?.(key, before, value);
  }

  restore(cell: Cell<unknown>, value: unknown): void {
    const before = cell.value as V | undefined;
    cell.value = value;
    this.onChange?.(cell.key, before, value as V | undefined);
  }

  /** Keys whose value changed since the last drain, with both values. */
  drain(): TableChange<V>[] {
    const changes: TableChange<V>[] = [];
    if (this.dirty.length === 0) return changes;
    for (const cell of this.dirty) {
      const { key, value: after, drained: before } = cell;
      cell.isDirty = false;
      cell.drained = undefined;
      if (after === undefined) this.cells.delete(key);
      if (after !== before) changes.push({ key, before, after });
    }
    this.dirty = [];
    return changes;
  }

  private markDirty(cell: Cell<V>): void {
    cell.isDirty = true;
    cell.drained = cell.value;
    this.dirty.push(cell);
  }
}
