/**
 * The last durable records, kept for followers that are close behind, so that nothing is read and parsed twice.
 *
 * Bound: `maxRecords` records and `maxBytes` bytes; at the bound the oldest go, and whoever needs them reads the log. Records
 * that every follower has got are dropped at once (`dropBefore`): nobody follows, nothing is kept.
 */
import type { LogRecord } from './event-log.ts';

export interface RecentLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

export class RecentRecords {
  readonly #limits: RecentLimits;
  /** Contiguous; the first live one is at `#start`. */
  #records: LogRecord[] = [];
  #start = 0;
  #bytes = 0;

  constructor(limits: RecentLimits) {
    this.#limits = limits;
  }

  /** Number of records held. */
  get size(): number {
    return this.#records.length - this.#start;
  }

  /** `records` follow directly on the ones held. */
  push(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#records.push(record);
      this.#bytes += record.bytes.length;
    }
    while (this.size > this.#limits.maxRecords || (this.#bytes > this.#limits.maxBytes && this.size > 0))
      this.#dropFirst();
    this.#compact();
  }

  /** Up to `max` records from `offset` on; undefined when `offset` is not held. */
  take(offset: number, max: number): readonly LogRecord[] | undefined {
    const first = this.#records[this.#start]?.offset;
    if (first === undefined || offset < first) return undefined;
    const at = this.#start + offset - first;
    return at < this.#records.length ? this.#records.slice(at, at + max) : undefined;
  }

  dropBefore(offset: number): void {
    while ((this.#records[this.#start]?.offset ?? offset) < offset) this.#dropFirst();
    this.#compact();
  }

  #dropFirst(): void {
    this.#bytes -= this.#records[this.#start]?.bytes.length ?? 0;
    this.#start++;
  }

  #compact(): void {
    if (this.#start * 2 < this.#records.length) return;
    this.#records = this.#records.slice(this.#start);
    this.#start = 0;
  }
}
