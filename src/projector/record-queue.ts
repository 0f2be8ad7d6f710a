/**
 * Records read ahead of the fold. While resources are derived nothing is folded; reading goes on, so that records are taken while
 * the log still has them in memory, instead of being read from disk and parsed again.
 *
 * Bound: `maxRecords`; at the bound reading waits for the fold.
 */
import type { LogRecord } from '../log/index.ts';

export class RecordQueue {
  readonly #maxRecords: number;
  readonly #waiting: (readonly LogRecord[])[] = [];
  #size = 0;
  #ended = false;
  #stopped = false;
  #error: unknown;
  /** Wakes whoever waits for records, and the reader that waits for room. */
  #wakeTaker: (() => void) | undefined;
  #wakeReader: (() => void) | undefined;

  constructor(maxRecords: number) {
    this.#maxRecords = maxRecords;
  }

  /** Records read and not taken. */
  get size(): number {
    return this.#size;
  }

  /** Reads the source to its end; an error comes out of `take`, behind the records before it. */
  async read(source: AsyncIterable<readonly LogRecord[]>): Promise<void> {
    try {
      for await (const records of source) {
        this.#waiting.push(records);
        this.#size += records.length;
        this.#wakeTaker?.();
        while (this.#size >= this.#maxRecords && !this.#stopped) {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
        }
        if (this.#stopped) break;
      }
    } catch (error) {
      this.#error = error;
    }
    this.#ended = true;
    this.#wakeTaker?.();
  }

  /** Reading ends with the records that are on their way. */
  stop(): void {
    this.#stopped = true;
    this.#wakeReader?.();
    this.#wakeTaker?.();
  }

  /** Records that are there; undefined: none now (see `more`). */
  takeNow(): readonly LogRecord[] | undefined {
    const records = this.#waiting.shift();
    if (records !== undefined) {
      this.#size -= records.length;
      this.#wakeReader?.();
      return records;
    }
    if (this.#ended && this.#error !== undefined) throw this.#error;
    return undefined;
  }

  /** True when everything was taken and nothing comes any more. */
  get isOver(): boolean {
    return this.#ended && this.#waiting.length === 0 && this.#error === undefined;
  }

  /** Resolves when there may be more, or an end. */
  async more(): Promise<void> {
    if (this.#waiting.length > 0 || this.#ended || this.#stopped) return;
    await new Promise<void>((resolve) => {
      this.#wakeTaker = resolve;
    });
    this.#wakeTaker = undefined;
  }
}
