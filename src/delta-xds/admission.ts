/**
 * How many new connections begin at a time.
 *
 * One turn of the event loop reads every socket that is ready before it looks at a timer or at a message of the core. Ten thousand
 * sidecars that come back at once, each with a first message of tens of kilobytes, would be one turn of seconds. So a connection waits
 * here unread, in the kernel's buffer, until one of those before it has begun its first stream; and while the requests of those that
 * have begun wait in line, hardly anybody begins: they all go on asking, and what they send is read in one turn too.
 */
import { Deadlines } from './deadlines.ts';

/** Some 1 ms each: connection, headers, first message. */
const SLOTS = 32;
/** One that has not begun a stream by then makes room, and stays a connection, ms. */
const SLOT_MS = 50;
/** While requests wait in line one begins in so many ms, so that a line that never ends keeps nobody out. */
const BUSY_MS = 5;

export class Admission<T> {
  readonly #begin: (item: T) => void;
  readonly #isBusy: () => boolean;
  readonly #beginning: Deadlines<T>;
  readonly #waiting = new Set<T>();
  /** In the order of arrival, those that left among them. Bounded by the limits of connections. */
  #queue: T[] = [];
  #at = 0;
  #look: NodeJS.Timeout | undefined;

  /** `clock`: ms, monotonic. `begin` is called within `enter` or `leave`, or by a timer. `isBusy`: many requests wait in line. */
  constructor(clock: () => number, begin: (item: T) => void, isBusy: () => boolean = () => false) {
    this.#begin = begin;
    this.#isBusy = isBusy;
    this.#beginning = new Deadlines(SLOT_MS, clock, () => this.#next());
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  enter(item: T): void {
    this.#waiting.add(item);
    this.#queue.push(item);
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
    this.#queue = [];
    this.#at = 0;
    clearTimeout(this.#look);
    this.#beginning.close();
    return waiting;
  }

  #next(): void {
    while (this.#waiting.size > 0 && this.#beginning.size < SLOTS) {
      if (this.#isBusy()) {
        this.#lookLater();
        return;
      }
      this.#one();
    }
  }

  #one(): void {
    while (this.#at < this.#queue.length) {
      const item = this.#queue[this.#at++];
      if (this.#at === this.#queue.length) {
        this.#queue = [];
        this.#at = 0;
      }
      if (item === undefined || !this.#waiting.delete(item)) continue;
      this.#beginning.add(item);
      this.#begin(item);
      return;
    }
  }

  #lookLater(): void {
    this.#look ??= setTimeout(() => {
      this.#look = undefined;
      this.#one();
      this.#next();
    }, BUSY_MS).unref();
  }
}
