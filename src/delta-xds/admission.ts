/**
 * How many new connections begin at a time.
 *
 * One turn of the event loop reads every socket that is ready before it looks at a timer or at a message of the core. Ten thousand
 * sidecars that come back at once, each with a first message of tens of kilobytes, would be one turn of seconds. So a connection waits
 * here unread, in the kernel's buffer, until one of those before it has begun its first stream.
 */
import { Deadlines } from './deadlines.ts';

/** Some 1 ms each: connection, headers, first message. */
const SLOTS = 32;
/** One that has not begun a stream by then makes room, and stays a connection, ms. */
const SLOT_MS = 50;

export class Admission<T> {
  readonly #begin: (item: T) => void;
  readonly #beginning: Deadlines<T>;
  /** In the order of arrival. Bounded by the limits of connections. */
  readonly #waiting = new Set<T>();

  /** `clock`: ms, monotonic. `begin` is called within `enter` or `leave`, or by a timer. */
  constructor(clock: () => number, begin: (item: T) => void) {
    this.#begin = begin;
    this.#beginning = new Deadlines(SLOT_MS, clock, () => this.#next());
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  enter(item: T): void {
    this.#waiting.add(item);
    this.#next();
  }

  /** It has begun, or is gone. */
  leave(item: T): void {
    this.#waiting.delete(item);
    this.#beginning.delete(item);
    this.#next();
  }

  /** Nobody begins any more; gives those that waited. */
  stop(): T[] {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#beginning.close();
    return waiting;
  }

  #next(): void {
    for (const item of this.#waiting) {
      if (this.#beginning.size >= SLOTS) return;
      this.#waiting.delete(item);
      this.#beginning.add(item);
      this.#begin(item);
    }
  }
}
