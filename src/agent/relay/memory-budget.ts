/**
 * Bytes that all last good configurations of a relay, and the responses that Envoys have not answered yet, may take together.
 *
 * At the bound the owner is asked to free something (nodes without an Envoy); when it cannot, what is new is not taken.
 */
export class MemoryBudget {
  readonly maxBytes: number;
  readonly #free: () => boolean;
  used = 0;
  /** Takings that were refused. */
  refused = 0;

  /** `free`: gives something back; false: there is nothing left that may go. */
  constructor(maxBytes: number, free: () => boolean = () => false) {
    this.maxBytes = maxBytes;
    this.#free = free;
  }

  /** False: there is no room; nothing is taken. */
  take(bytes: number): boolean {
    while (this.used + bytes > this.maxBytes)
      if (bytes > this.maxBytes || !this.#free()) {
        this.refused++;
        return false;
      }
    this.used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}
