/** A line of questions: one is worked on at a time. Bound: so many are in it; more are refused (`STATE_BUSY`) and counted by `onRefused`. */
import { TendrilError } from '../../model/index.ts';

export class Turns {
  readonly #max: number;
  readonly #what: string;
  readonly #onRefused: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(max: number, what: string, onRefused: () => void) {
    this.#max = max;
    this.#what = what;
    this.#onRefused = onRefused;
  }

  /** Waiting and being worked on. */
  get size(): number {
    return this.#waiting;
  }

  /** Behind those that came before, whether they are answered or fail. */
  async take<T>(answer: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#max) {
      this.#onRefused();
      throw new TendrilError('STATE_BUSY', `${this.#max} ${this.#what} wait already`, {
        remedy: 'try again in a moment',
      });
    }
    this.#waiting++;
    const mine = this.#last.then(answer);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}
