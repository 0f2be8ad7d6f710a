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
import { failpoint } from '../store/index.ts';
import { AppendQueue, type WaitingAppend } from './append-queue.ts';
import type { AppendResult, EventLog, FollowOptions, LogBase, LogHead, LogRecord } from './event-log.ts';
import { Followers } from './followers.ts';
import type { LogBackend } from './log-backend.ts';
import { closedError, notInLog } from './log-errors.ts';
import { offsetAt } from './offset-at.ts';
import { encodeEvent } from './record-codec.ts';

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
  /** Of a log that others hold. */
  readonly contact?: ContactCounters;
}

/** Counted since the opening. */
export interface ContactCounters {
  /** Contacts made, attempts or contacts that failed, ends for good (gap, cut topic). */
  readonly contacts: number;
  readonly failures: number;
  readonly breaks: number;
  /** Requests for records, and records that came. */
  readonly fetches: number;
  readonly records: number;
  /** Requests to write that failed or timed out, and appends sent again after one. */
  readonly produceFailures: number;
  readonly sentAgain: number;
  /** ms without contact. */
  readonly awayMs: number;
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
  readonly #queue: AppendQueue;
  #closing: Promise<void> | undefined;

  constructor(mesh: string, backend: LogBackend, clock: Clock, limits: Partial<LogLimits> = {}) {
    this.mesh = mesh;
    this.#backend = backend;
    this.#clock = clock;
    this.#limits = { ...defaultLimits, ...limits };
    this.#head = backend.head;
    this.#queue = new AppendQueue(
      () => this.#limits,
      (group) => this.#commit(group),
    );
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
    return this.#queue.waitingBytes;
  }

  head(): LogHead {
    return this.#head;
  }

  async append(events: readonly EventEnvelope[]): Promise<AppendResult> {
    try {
      this.#requireOpen();
      if (events.length === 0) return { offsets: [], recordedAt: this.#head.recordedAt };
      const encoded = events.map((event) => encodeEvent(event, this.mesh));
      return await this.#queue.enqueue(encoded);
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
    return offsetAt(this.#backend, this.#head, recordedAt);
  }

  /**
   * Removes the records up to the base: they can no longer be read (`OFFSET_GONE`). Rejects with `DISK_FULL`, `LOG_READ_ONLY`,
   * `LOG_CLOSED`, and `OFFSET_INVALID` for a base that is not in the log.
   */
  async prune(base: LogBase): Promise<void> {
    this.#requireOpen();
    const { first, offset } = this.#head;
    if (this.#backend.prune === undefined || base.offset < first || base.offset > offset)
      throw notInLog(base.offset, this.#head);
    const { base: before } = this.#head;
    // Told first: nobody reads what is about to go.
    this.#head = { ...this.#head, first: base.offset + 1, base };
    try {
      await this.#backend.prune(base);
    } catch (error) {
      const { base: _, ...head } = this.#head;
      this.#head = { ...head, first, ...(before === undefined ? {} : { base: before }) };
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#followers.wakeAll();
    await this.#queue.idle();
    await this.#backend.close();
  }

  /** C1, C2, C3 */
  async #commit(group: readonly WaitingAppend[]): Promise<void> {
    const first = this.#head.offset + 1;
    const recordedAt = Math.max(this.#head.recordedAt, Math.floor(this.#clock.now()));
    const events = group.length === 1 ? (group[0]?.events ?? []) : group.flatMap((waiting) => waiting.events);
    try {
      failpoint('beforeAppend');
      this.#publish(await this.#backend.commit(events, first, recordedAt), recordedAt);
      failpoint('afterAppend');
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
    this.#head = { ...this.#head, offset, recordedAt };
    this.#followers.publish(records);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}
