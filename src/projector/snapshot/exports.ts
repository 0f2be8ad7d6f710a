/**
 * Snapshots of a running projector.
 *
 * The state is copied by LMDB (off the event loop, commits go on), and the copy is read at the receiver's pace: a slow receiver holds
 * no reader of the state, so its file does not grow. The price is disk for one copy, asked of the disk guard first.
 *
 * Invariants
 * X1 At most `MAX_EXPORTS` at a time, more are refused and counted (`SNAPSHOT_BUSY`).
 * X2 While one is open nothing is removed from the log, and of what the state keeps of its events: `remove` refuses, and a snapshot
 *    waits for a removal that runs.
 * X3 Its copy is removed at its end; what a killed process left is removed by `clear`.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { EventLog } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import type { DiskGuard, Environment } from '../../store/index.ts';
import { STATE_NAME } from '../state-tables.ts';
import { type OpenSnapshot, openSource } from './source.ts';
import { requireSpace } from './space.ts';

const MAX_EXPORTS = 2;
const FOLDER = 'tmp';

export interface SnapshotExportsOptions {
  /** Data directory; copies lie in its folder `tmp`. */
  readonly dir: string;
  readonly mesh: string;
  readonly log: EventLog;
  readonly state: Environment;
  readonly createdBy: string;
  readonly guard?: DiskGuard;
}

export class SnapshotExports {
  readonly counters = { begun: 0, refused: 0, bytes: 0 };
  readonly #options: SnapshotExportsOptions;
  readonly #open = new Set<() => Promise<void>>();
  #running = 0;
  #removing: Promise<void> | undefined;

  constructor(options: SnapshotExportsOptions) {
    this.#options = options;
    this.clear();
  }

  /** X2 */
  get isOpen(): boolean {
    return this.#running > 0;
  }

  /**
   * X2: does one commit that removes something, unless a snapshot is open.
   * @returns false: one is open, and nothing was done
   */
  async remove(commit: () => Promise<void>): Promise<boolean> {
    if (this.isOpen) return false;
    const removing = commit();
    this.#removing = removing.then(
      () => undefined,
      () => undefined,
    );
    await removing;
    return true;
  }

  /** X3 */
  clear(): void {
    if (!this.isOpen) rmSync(join(this.#options.dir, FOLDER), { recursive: true, force: true });
  }

  /**
   * A snapshot of the newest commit; the caller reads it and closes it.
   * @throws TendrilError `SNAPSHOT_BUSY`, `SNAPSHOT_NONE`, `DISK_FULL`, `DATA_NOT_WRITABLE`, `DATA_CLOSED`
   */
  async open(options: { readonly withLog: boolean }): Promise<OpenSnapshot> {
    if (this.#running >= MAX_EXPORTS) {
      this.counters.refused++;
      throw new TendrilError('SNAPSHOT_BUSY', `${MAX_EXPORTS} snapshots are being written already`, {
        remedy: 'try again when one of them has ended',
      });
    }
    this.#running++;
    const copy = join(this.#options.dir, FOLDER, `snapshot-${process.pid}-${++this.counters.begun}`);
    let source: OpenSnapshot | undefined;
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= (source?.close() ?? Promise.resolve()).finally(() => {
        rmSync(copy, { recursive: true, force: true });
        this.#running--;
        this.#open.delete(close);
      });
      return closing;
    };
    this.#open.add(close);
    try {
      const { dir, mesh, log, state, createdBy, guard } = this.#options;
      await this.#removing;
      await state.copyTo(join(copy, STATE_NAME), (bytes) => requireSpace(guard, bytes, dir));
      source = await openSource({ dir: copy, mesh, log, createdBy, withLog: options.withLog });
      return { header: source.header, bytes: this.#counted(source.bytes), close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Ends those that are open. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((close) => close()));
  }

  async *#counted(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of bytes) {
      this.counters.bytes += piece.length;
      yield piece;
    }
  }
}
