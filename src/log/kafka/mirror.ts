/** The local copy of the topic: what everybody here reads, also while the brokers are away. */
import type { Environment } from '../../store/index.ts';
import type { LogBase, LogHead, LogRecord } from '../event-log.ts';
import { Followers } from '../followers.ts';
import type { CopyingBackend } from '../log-backend.ts';
import type { LogLimits } from '../log-core.ts';
import { notInLog } from '../log-errors.ts';
import type { ReadyRecord } from '../ready-record.ts';

export interface OpenedMirror {
  readonly backend: CopyingBackend;
  readonly environment: Environment;
}

export class Mirror {
  readonly followers: Followers;
  readonly backend: CopyingBackend;
  #head: LogHead;
  #closed = false;
  #waiting: { readonly offset: number; readonly resolve: () => void }[] = [];

  constructor(backend: CopyingBackend, limits: LogLimits) {
    this.backend = backend;
    this.#head = backend.head;
    this.followers = new Followers(limits, backend, { head: () => this.#head, isClosed: () => this.#closed });
  }

  get head(): LogHead {
    return this.#head;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Durable when it resolves; followers have them then. */
  async add(records: readonly ReadyRecord[]): Promise<void> {
    const last = records.at(-1);
    if (last === undefined) return;
    const { offset } = this.#head;
    const added = await this.backend.copy(records, offset + 1);
    this.#head = { ...this.#head, offset: offset + records.length, recordedAt: last.recordedAt };
    this.followers.publish(added);
    const passed = this.#waiting.filter((waiting) => waiting.offset <= this.#head.offset);
    this.#waiting = this.#waiting.filter((waiting) => waiting.offset > this.#head.offset);
    for (const { resolve } of passed) resolve();
  }

  /** The newest record; undefined when there is none. */
  tail(): LogRecord | undefined {
    const { offset } = this.#head;
    return offset < this.#head.first ? undefined : this.backend.read(offset, offset, 1)[0];
  }

  /** `recordedAt` of the record before the newest; 0 when there is none. */
  timeBeforeTail(): number {
    const { offset, first, base } = this.#head;
    return offset - 1 < first ? (base?.recordedAt ?? 0) : this.backend.recordedAt(offset - 1);
  }

  /** Removes what is mirrored up to the base; the topic has its own retention. Rejects as `LogCore.prune`. */
  async prune(base: LogBase): Promise<void> {
    const before = this.#head;
    if (this.backend.prune === undefined || base.offset < before.first || base.offset > before.offset)
      throw notInLog(base.offset, before);
    // Told first: nobody reads what is about to go.
    this.#head = { ...before, first: base.offset + 1, base };
    try {
      await this.backend.prune(base);
    } catch (error) {
      const { base: _, ...head } = this.#head;
      this.#head = { ...head, first: before.first, ...(before.base === undefined ? {} : { base: before.base }) };
      throw error;
    }
  }

  /** Resolves when the head is at `offset`; never when it does not come there. Few wait: one per append in doubt. */
  async reaches(offset: number): Promise<void> {
    if (this.#head.offset >= offset) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push({ offset, resolve });
    });
  }

  /** Ends followers; `shut` closes the files. */
  endFollowers(): void {
    this.#closed = true;
    this.followers.wakeAll();
  }

  async shut(): Promise<void> {
    await this.backend.close();
  }
}
