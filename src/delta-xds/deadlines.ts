/** Items that must do something within one and the same time: a queue and a single timer, however many they are. */
export class Deadlines<T> {
  readonly #ms: number;
  readonly #clock: () => number;
  readonly #expired: (item: T) => void;
  /** Item -> when it is due; in that order, as all have the same time. */
  readonly #due = new Map<T, number>();
  #timer: NodeJS.Timeout | undefined;

  /** `ms`: from `add` to `expired`. `clock`: ms, monotonic. The timer keeps no process alive. */
  constructor(ms: number, clock: () => number, expired: (item: T) => void) {
    this.#ms = ms;
    this.#clock = clock;
    this.#expired = expired;
  }

  get size(): number {
    return this.#due.size;
  }

  /** Starts the item's time, or starts it again. */
  add(item: T): void {
    this.#due.delete(item);
    this.#due.set(item, this.#clock() + this.#ms);
    if (this.#timer === undefined) this.#arm(this.#ms);
  }

  /** It has done what it had to. */
  delete(item: T): void {
    this.#due.delete(item);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due.clear();
  }

  #arm(ms: number): void {
    // `expired` may have added an item and armed it.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), ms);
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock();
    for (const [item, at] of this.#due) {
      if (at > now) {
        this.#arm(Math.ceil(at - now));
        return;
      }
      this.#due.delete(item);
      this.#expired(item);
    }
  }
}
