/** Says every two seconds how far a long way has been gone. */
import type { StoreLogger } from '../store/index.ts';

const SAY_EVERY_MS = 2_000;

export class Progress {
  readonly #clock: { now(): number };
  readonly #logger: StoreLogger | undefined;
  readonly #what: string;
  readonly #from: number;
  readonly #begun: number;
  #said: number;

  constructor(
    options: { readonly clock: { now(): number }; readonly logger?: StoreLogger },
    what: string,
    from: number,
  ) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#what = what;
    this.#from = from;
    this.#begun = options.clock.now();
    this.#said = this.#begun;
  }

  at(offset: number, head: number): void {
    const now = this.#clock.now();
    if (now - this.#said < SAY_EVERY_MS) return;
    this.#said = now;
    const perSecond = Math.round(((offset - this.#from) * 1000) / Math.max(1, now - this.#begun));
    this.#logger?.info({ offset, head, left: head - offset, perSecond }, this.#what);
  }
}
