/** The one source of randomness of a run: every choice of the simulation is drawn here, so the seed decides all of them. */
import { randomFrom } from '../projector/mesh-events.ts';

export class Choices {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomFrom(seed);
  }

  /** 0 (included) to 1 (excluded). */
  fraction(): number {
    return this.#next();
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#next() * (most - least + 1));
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.#next() * 100 < percent;
  }

  pick<T>(list: readonly T[]): T {
    const chosen = list[this.between(0, list.length - 1)];
    if (chosen === undefined) throw new RangeError('there is nothing to pick from');
    return chosen;
  }

  /** One of the names, by weight. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const names = Object.keys(weights) as T[];
    let at = this.#next() * names.reduce((sum, name) => sum + weights[name], 0);
    for (const name of names) {
      at -= weights[name];
      if (at < 0) return name;
    }
    return this.pick(names);
  }

  /** A text of 128 bits. */
  id(): string {
    return [0, 0, 0, 0]
      .map(() =>
        Math.floor(this.#next() * 2 ** 32)
          .toString(16)
          .padStart(8, '0'),
      )
      .join('');
  }
}
