/**
 * Appends on their way into a log: group commit with bounds.
 *
 * Invariants (C4 and C5 of log-core.ts)
 * C4 One group is written at a time. Everything that arrives meanwhile goes into the next one (up to `maxCommitBytes`), in order of
 *    arrival: no timer.
 * C5 Bytes that wait or are being written never exceed `maxWaitingBytes`; above it an append is refused.
 */
import { TendrilError } from '../model/index.ts';
import type { AppendResult } from './event-log.ts';
import type { EncodedEvent } from './record-codec.ts';

export interface WaitingAppend {
  readonly events: readonly EncodedEvent[];
  readonly bytes: number;
  /** Each settles the append once; later calls do nothing. */
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
  readonly isSettled: () => boolean;
}

export interface AppendQueueLimits {
  readonly maxWaitingBytes: number;
  readonly maxCommitBytes: number;
}

export class AppendQueue {
  readonly #limits: () => AppendQueueLimits;
  readonly #write: (group: readonly WaitingAppend[]) => Promise<void>;
  #queue: WaitingAppend[] = [];
  #waitingBytes = 0;
  #draining: Promise<void> | undefined;

  /** `write` resolves when the next group may be written, and never rejects; it settles the appends then or later. */
  constructor(limits: () => AppendQueueLimits, write: (group: readonly WaitingAppend[]) => Promise<void>) {
    this.#limits = limits;
    this.#write = write;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Rejects with `LOG_BACKPRESSURE` or `EVENT_TOO_LARGE` at the bound (C5), else as the append is settled. */
  async enqueue(events: readonly EncodedEvent[]): Promise<AppendResult> {
    const bytes = events.reduce((sum, event) => sum + event.bytes, 0);
    this.#requireRoom(bytes);
    return await new Promise((resolve, reject) => {
      let settled = false;
      const once =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          if (settled) return;
          settled = true;
          this.#waitingBytes -= bytes;
          settle(value);
        };
      this.#queue.push({ events, bytes, resolve: once(resolve), reject: once(reject), isSettled: () => settled });
      this.#waitingBytes += bytes;
      this.#draining ??= this.#drain();
    });
  }

  /** Resolves when no group is being written and none waits. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  /** Those that no group has taken yet are settled with an error. */
  refuseWaiting(error: () => unknown): void {
    const refused = this.#queue;
    this.#queue = [];
    for (const waiting of refused) waiting.reject(error());
  }

  async #drain(): Promise<void> {
    // Calls of the same turn share the first commit.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#write(this.#takeGroup());
    this.#draining = undefined;
  }

  #takeGroup(): readonly WaitingAppend[] {
    const { maxCommitBytes } = this.#limits();
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (count > 0 && bytes + waiting.bytes > maxCommitBytes) break;
      bytes += waiting.bytes;
      count++;
    }
    const group = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return group;
  }

  #requireRoom(bytes: number): void {
    const { maxWaitingBytes } = this.#limits();
    if (this.#waitingBytes + bytes <= maxWaitingBytes) return;
    if (this.#waitingBytes > 0) {
      throw new TendrilError(
        'LOG_BACKPRESSURE',
        `${this.#waitingBytes} bytes of events wait to be written, ${maxWaitingBytes} are allowed`,
        {
          remedy: 'send again in a second',
        },
      );
    }
    throw new TendrilError('EVENT_TOO_LARGE', `a batch of ${bytes} bytes; ${maxWaitingBytes} are allowed`, {
      remedy: 'send smaller batches',
    });
  }
}
