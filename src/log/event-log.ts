/**
 * The `EventLog` port: an ordered, durable log of events of one mesh. Memory, LMDB and Kafka implement it; all pass
 * the contract suite in test/contracts/event-log.ts.
 */
import type { EventEnvelope, RecordedEvent } from '../model/index.ts';

/** One record as it stands in the log. */
export interface LogRecord {
  /** 1, 2, 3, … without gaps. */
  readonly offset: number;
  /** ms since the epoch; never decreases along the log. */
  readonly recordedAt: number;
  /** The event, upcast to the current schema version; undefined when the record cannot be read as one. */
  readonly event: RecordedEvent | undefined;
  /** Why `event` is undefined. The fold quarantines such a record. */
  readonly unreadable?: string;
  /** The record's bytes as stored: input of the hash chain. Never changed by the holder. */
  readonly bytes: Uint8Array;
}

/** What is known of the last record that a log does not hold any more (or never held): it begins behind it. */
export interface LogBase {
  /** Of that record; the log's first offset is the next one. */
  readonly offset: number;
  readonly recordedAt: number;
  /** Hash chain behind that record, hexadecimal. */
  readonly chain: string;
  /** SHA-256 of that record's bytes, hexadecimal. */
  readonly tail: string;
}

/** A record as it is copied from log to log. */
export interface RawRecord {
  readonly offset: number;
  /** As `LogRecord.bytes`. */
  readonly bytes: Uint8Array;
}

export interface LogHead {
  /** Offset of the last durable record; that of the base when the log is empty, else 0. */
  readonly offset: number;
  /** Of that record; 0 when there is none. */
  readonly recordedAt: number;
  /** Smallest offset that can still be read, or will be the next one; 1 unless the log begins behind a base. */
  readonly first: number;
  /** Present when `first` is above 1 and the log knows what stood before. */
  readonly base?: LogBase;
}

export interface AppendResult {
  /** Offsets of the events, in the order given. */
  readonly offsets: readonly number[];
  readonly recordedAt: number;
}

export interface FollowOptions {
  /** First offset wanted. */
  readonly from: number;
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal;
  /** Upper bound of records per batch (default 2,000). */
  readonly maxBatch?: number;
}

export interface EventLog {
  readonly mesh: string;
  /**
   * Appends the events as one contiguous run and resolves when they are durable. Concurrent calls share one commit (group
   * commit, no timer). Rejects with `TendrilError`: `DISK_FULL`, `LOG_READ_ONLY`, `LOG_CLOSED`, `LOG_BACKPRESSURE`,
   * `EVENT_TOO_LARGE`, `EVENT_NOT_JSON`, `MESH_MISMATCH`, on Kafka `LOG_AWAY`, `LOG_REFUSED`, `LOG_GAP`, `LOG_TRUNCATED`,
   * `LOG_OF_ANOTHER_TOPIC`; nothing was appended then (of an append that was in flight when a log on Kafka broke or closed, it
   * is not known: sending it again with the same ids is safe). Events are plain JSON data, which nobody
   * changes afterwards: followers are handed the same objects.
   */
  append(events: readonly EventEnvelope[]): Promise<AppendResult>;
  /**
   * Records from `from` to the head as it was at the call, in order, in batches. Rejects with `LOG_CORRUPT` at a bad record,
   * `OFFSET_GONE` when `from` lies before the first offset kept, `OFFSET_INVALID` when it is no whole number from 1, `LOG_CLOSED`.
   */
  read(options: FollowOptions): AsyncIterable<readonly LogRecord[]>;
  /**
   * Like `read`, then waits for more until the signal or `close` ends it without an error. Only durable records are given. A
   * loop that is waiting is ended by its signal only: `return()` of a generator has no effect before the next batch.
   */
  follow(options: FollowOptions): AsyncIterable<readonly LogRecord[]>;
  head(): LogHead;
  /**
   * Offset of the last durable record with `recordedAt` at or before the given time (ms since the epoch); 0 when there is none.
   * Reads about 20 records of a million. Throws `LOG_CORRUPT`, `LOG_CLOSED`.
   */
  offsetAt(recordedAt: number): number;
  /** Ends followers, waits for running appends. */
  close(): Promise<void>;
}
