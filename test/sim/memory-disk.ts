/**
 * A simulated disk with the tables of one environment. It outlives the processes that open it.
 *
 * - What a commit writes is first *visible*: readers see it, and it survives the death of a process. With a flush it is *durable*.
 * - A power cut takes away commits that are not durable: all of them, or all behind a random one. LMDB writes a page twice never, so
 *   it goes back to a whole earlier commit (reference/reliability.md, finding 9).
 * - It can be full for a while, and it can fail one commit for good.
 */
import { MemoryTable, type Operation } from './memory-table.ts';

export class MemoryDisk {
  readonly name: string;
  readonly id: string;
  readonly #tables = new Map<string, MemoryTable>();
  /** Of every commit that is visible and not durable, oldest first: what it replaced. */
  readonly #undo: (readonly Operation[])[] = [];
  /** Commits are refused with DISK_FULL. */
  full = false;
  /** The next commit fails, and whoever wrote it writes no more; `kept`: it is on the disk all the same. */
  failNext: 'lost' | 'kept' | undefined;
  commits = 0;

  constructor(name: string, id: string) {
    this.name = name;
    this.id = id;
  }

  /** Commits that a power cut may take away. */
  get volatile(): number {
    return this.#undo.length;
  }

  table(name: string): MemoryTable {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new MemoryTable(name);
      this.#tables.set(name, table);
    }
    return table;
  }

  /** Makes a commit visible. */
  apply(operations: readonly Operation[]): void {
    this.commits++;
    this.#undo.push(
      operations
        .map(({ table, key, framed }) => {
          const before = table.get(key);
          table.set(key, framed);
          return { table, key, framed: before };
        })
        .reverse(),
    );
  }

  /** Everything visible becomes durable. */
  flush(): void {
    this.#undo.length = 0;
  }

  /** Everything is gone. */
  wipe(): void {
    this.#tables.clear();
    this.flush();
    this.commits = 0;
  }

  /** @param kept of the commits that were not durable, the first so many are kept */
  powerCut(kept: number): void {
    for (const operations of this.#undo.splice(kept).reverse())
      for (const { table, key, framed } of operations) table.set(key, framed);
    this.flush();
  }
}
