/**
 * What must reach the core although it may die at any moment: items stay until the core confirms them, and all that it has not
 * confirmed goes to the next core again. The receiver takes the same item twice without harm. At the bound the oldest go, counted.
 */
export class Outbox<T> {
  readonly #bound: number;
  #items: T[] = [];
  /** Number of the first item kept; the first ever is 0. */
  #first = 0;
  /** Number of the next item to send to the present core. */
  #next = 0;
  /** Dropped at the bound. */
  dropped = 0;

  constructor(bound: number) {
    this.#bound = bound;
  }

  /** Items not confirmed. */
  get size(): number {
    return this.#items.length;
  }

  put(item: T): void {
    this.#items.push(item);
    if (this.#items.length <= this.#bound) return;
    this.#items.shift();
    this.#first++;
    this.#next = Math.max(this.#next, this.#first);
    this.dropped++;
  }

  /** Items to send now, with the number to confirm them by; undefined: none. */
  unsent(): { readonly upTo: number; readonly items: readonly T[] } | undefined {
    const items = this.#items.slice(this.#next - this.#first);
    return items.length === 0 ? undefined : { upTo: this.#first + this.#items.length, items };
  }

  sent(upTo: number): void {
    this.#next = Math.max(this.#next, upTo);
  }

  /** All items before this number need not be kept. */
  confirmed(upTo: number): void {
    const count = Math.min(upTo, this.#next) - this.#first;
    if (count <= 0) return;
    this.#items.splice(0, count);
    this.#first += count;
  }

  /** Another core: it gets everything that is left. */
  again(): void {
    this.#next = this.#first;
  }
}
