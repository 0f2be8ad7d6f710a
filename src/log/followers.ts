/**
 * Readers and followers of one log.
 *
 * Invariants
 * F1 Every follower gets every record from its `from` on exactly once, in order, and only up to the head.
 * F2 It never waits for another follower, nor a writer for it: who falls behind the recent records reads the backend.
 * F3 Recent records are kept only while somebody follows, and only those that somebody still needs, within their bounds.
 */
import type { FollowOptions, LogHead, LogRecord } from './event-log.ts';
import type { LogBackend } from './log-backend.ts';
import { closedError, requireOffset } from './log-errors.ts';
import { RecentRecords } from './recent-records.ts';

interface Follower {
  next: number;
  /** Set while it waits for records. */
  wake: (() => void) | undefined;
}

interface FollowedLog {
  head(): LogHead;
  isClosed(): boolean;
}

const DEFAULT_BATCH = 2000;

export class Followers {
  /** Records handed out from memory and from the backend. */
  readonly counters = { fromMemory: 0, fromBackend: 0 };
  readonly #all = new Set<Follower>();
  readonly #recent: RecentRecords;
  readonly #backend: LogBackend;
  readonly #log: FollowedLog;

  constructor(
    limits: { readonly maxRecentRecords: number; readonly maxRecentBytes: number },
    backend: LogBackend,
    log: FollowedLog,
  ) {
    this.#recent = new RecentRecords({ maxRecords: limits.maxRecentRecords, maxBytes: limits.maxRecentBytes });
    this.#backend = backend;
    this.#log = log;
  }

  /** The head has moved over these records. */
  publish(records: readonly LogRecord[]): void {
    if (this.#all.size > 0) this.#recent.push(records);
    this.wakeAll();
  }

  wakeAll(): void {
    for (const follower of this.#all) follower.wake?.();
  }

  /** Up to offset `end`; with Infinity it waits for more until its signal or the log's end. */
  async *iterate(options: FollowOptions, end: number): AsyncGenerator<readonly LogRecord[]> {
    const { from, signal, maxBatch = DEFAULT_BATCH } = options;
    requireOffset(from, this.#log.head().first);
    const endless = end === Number.POSITIVE_INFINITY;
    const follower: Follower = { next: from, wake: undefined };
    const wake = (): void => follower.wake?.();
    signal?.addEventListener('abort', wake);
    this.#all.add(follower);
    try {
      while (signal?.aborted !== true && !(endless && this.#log.isClosed())) {
        const last = Math.min(end, this.#log.head().offset);
        if (follower.next <= last) yield this.#next(follower, last, maxBatch);
        else if (endless) await this.#more(follower, signal);
        else return;
      }
    } finally {
      this.#all.delete(follower);
      signal?.removeEventListener('abort', wake);
      this.#forget();
    }
  }

  #next(follower: Follower, last: number, maxBatch: number): readonly LogRecord[] {
    if (this.#log.isClosed()) throw closedError();
    const max = Math.min(Math.max(1, maxBatch), last - follower.next + 1);
    // Retention may have been faster.
    requireOffset(follower.next, this.#log.head().first);
    const recent = this.#recent.take(follower.next, max);
    const records = recent ?? this.#backend.read(follower.next, last, max);
    this.counters[recent === undefined ? 'fromBackend' : 'fromMemory'] += records.length;
    follower.next += records.length;
    this.#forget();
    return records;
  }

  /** Until there may be more records, or an end. */
  async #more(follower: Follower, signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      follower.wake = resolve;
      if (signal?.aborted === true || this.#log.isClosed() || this.#log.head().offset >= follower.next) resolve();
    });
    follower.wake = undefined;
  }

  /** F3 */
  #forget(): void {
    let least = Number.POSITIVE_INFINITY;
    for (const { next } of this.#all) least = Math.min(least, next);
    this.#recent.dropBefore(least);
  }
}
