/**
 * An event log above a backend: offsets and times, group commit, followers.
 *
 * Invariants
 * C1 Offsets are 1, 2, 3, …; the events of one `append` are neighbours, in the order given.
 * C2 `recordedAt` never decreases, whatever the clock does.
 * C3 An append resolves, and followers see its records, only after the backend has them durable; if the backend refuses, none
 *    of them is in the log.
 * C4 One commit runs at a time. Everything that arrives meanwhile goes into the next one (up to `maxCommitBytes`), in order of
 *    arrival: no timer.
 * C5 Bytes that wait or are being written never exceed `maxWaitingBytes`; above it `append` is refused and counted.
 */
import { type EventEnvelope, TendrilError } from '../model/index.ts';
import type { AppendResult, EventLog, FollowOptions, LogHead, LogRecord } from './event-log.ts';
import { Followers } from './followers.ts';
import type { LogBackend } from './log-backend.ts';
import { closedError } from './log-errors.ts';
import { type EncodedEvent, encodeEvent } from './record-codec.ts';

export interface Clock {
  /** ms since the epoch. */
  now(): number;
}

export interface LogLimits {
  /** Bytes of events that may wait for their commit (default 64 MiB). */
  readonly maxWaitingBytes: number;
  /** Bytes of one commit, unless a single append has more (default 8 MiB). */
  readonly maxCommitBytes: number;
  /** Recent records kept for followers (default 32,768). */
  readonly maxRecentRecords: number;
  /** And their bytes (default 16 MiB). */
  readonly maxRecentBytes: number;
}

const MIB = 2 ** 20;
export const defaultLimits: LogLimits = {
  maxWaitingBytes: 64 * MIB,
  maxCommitBytes: 8 * MIB,
  maxRecentRecords: 32_768,
  maxRecentBytes: 16 * MIB,
};

/** Counted since the opening; for /metrics. */
export interface LogCounters {
  /** Calls of `append` that were acknowledged. */
  readonly appends: number;
  readonly events: number;
  /** Bytes of their records. */
  readonly bytes: number;
  readonly commits: number;
  /** Calls of `append` that were refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Records handed to followers from memory and from the backend. */
  readonly fromMemory: number;
  readonly fromBackend: number;
}

interface Waiting {
  readonly events: readonly EncodedEvent[];
  readonly bytes: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

export class LogCore implements EventLog {
  readonly mesh: string;
  readonly #counters = { appends: 0, events: 0, bytes: 0, commits: 0 };
  readonly #refused: Record<string, number> = {};
  readonly #backend: LogBackend;
  readonly #clock: Clock;
  readonly #limits: LogLimits;
  readonly #followers: Followers;
  #head: LogHead;
  #queue: Waiting[] = [];
  #waitingBytes = 0;
  #draining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(mesh: string, backend: LogBackend, clock: Clock, limits: Partial<LogLimits> = {}) {
    this.mesh = mesh;
    this.#backend = backend;
    this.#clock = clock;
    this.#limits = { ...defaultLimits, ...limits };
    this.#head = backend.head;
    this.#followers = new Followers(this.#limits, backend, {
      head: () => this.#head,
      isClosed: () => this.#closing !== undefined,
    });
  }

  get counters(): LogCounters {
    return { ...this.#counters, ...this.#followers.counters, refused: this.#refused };
  }

  /** Bytes that wait for their commit or are being written (C5). */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  head(): LogHead {
    return this.#head;
  }

  async append(events: readonly EventEnvelope[]): Promise<AppendResult> {
    try {
      this.#requireOpen();
      if (events.length === 0) return { offsets: [], recordedAt: this.#head.recordedAt };
      const encoded = events.map((event) => encodeEvent(event, this.mesh));
      const bytes = encoded.reduce((sum, event) => sum + event.bytes, 0);
      this.#requireRoom(bytes);
      return await this.#enqueue(encoded, bytes);
    } catch (error) {
      const code = error instanceof TendrilError ? error.code : 'UNKNOWN';
      this.#refused[code] = (this.#refused[code] ?? 0) + 1;
      throw error;
    }
  }

  read(options: FollowOptions): AsyncIterable<readonly LogRecord[]> {
    return this.#followers.iterate(options, this.#head.offset);
  }

  follow(options: FollowOptions): AsyncIterable<readonly LogRecord[]> {
    return this.#followers.iterate(options, Number.POSITIVE_INFINITY);
  }

  offsetAt(recordedAt: number): number {
    this.#requireOpen();
    const { first, offset } = this.#head;
    // Invariant of the search: everything at or below `low` is not later than wanted, everything above `high` is.
    let low = first - 1;
    let high = offset;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#backend.recordedAt(middle) <= recordedAt) low = middle;
      else high = middle - 1;
    }
    return low < first ? 0 : low;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#followers.wakeAll();
    await this.#draining;
    await this.#backend.close();
  }

  #enqueue(events: readonly EncodedEvent[], bytes: number): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ events, bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#draining ??= this.#drain();
    });
  }

  /** C4 */
  async #drain(): Promise<void> {
    // Calls of the same turn share the first commit.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      await this.#commit(group);
      for (const { bytes } of group) this.#waitingBytes -= bytes;
    }
    this.#draining = undefined;
  }

  #takeGroup(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (count > 0 && bytes + waiting.bytes > this.#limits.maxCommitBytes) break;
      bytes += waiting.bytes;
      count++;
    }
    const group = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return group;
  }

  /** C1, C2, C3 */
  async #commit(group: readonly Waiting[]): Promise<void> {
    const first = this.#head.offset + 1;
    const recordedAt = Math.max(this.#head.recordedAt, Math.floor(this.#clock.now()));
    const events = group.length === 1 ? (group[0]?.events ?? []) : group.flatMap((waiting) => waiting.events);
    try {
      this.#publish(await this.#backend.commit(events, first, recordedAt), recordedAt);
    } catch (error) {
      for (const { reject } of group) reject(error);
      return;
    }
    this.#counters.commits++;
    let next = first;
    for (const { events: own, bytes, resolve } of group) {
      this.#counters.appends++;
      this.#counters.events += own.length;
      this.#counters.bytes += bytes;
      const offsets = own.map((_, index) => next + index);
      next += own.length;
      resolve({ offsets, recordedAt });
    }
  }

  #publish(records: readonly LogRecord[], recordedAt: number): void {
    const offset = this.#head.offset + records.length;
    this.#head = { offset, recordedAt, first: this.#head.first };
    this.#followers.publish(records);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }

  #requireRoom(bytes: number): void {
    const { maxWaitingBytes } = this.#limits;
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
