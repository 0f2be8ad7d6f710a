/**
 * Which clusters are to be looked at because they may have become superfluous (`collect.ts` looks). All of them, or those of some
 * services; a client that holds tens of thousands is looked through in portions.
 */
import { NameSet } from './name-set.ts';

const NONE: readonly string[] = [];

export class Sweep {
  #all = false;
  readonly #services = new NameSet();
  /** Names of the portions to come. */
  #left: readonly string[] = NONE;
  #at = 0;

  /** Something is to be looked at. */
  get wanted(): boolean {
    return this.#all || this.#services.size > 0 || this.#at < this.#left.length;
  }

  /** Everything held. */
  all(): void {
    this.#all = true;
  }

  /** Clusters of one service. */
  of(service: string): void {
    if (!this.#all) this.#services.add(service);
  }

  clear(): void {
    this.#all = false;
    this.#services.clear();
    this.#left = NONE;
    this.#at = 0;
  }

  /** The next portion, at most `max` of the names held; none: all have been given. */
  next(held: ReadonlyMap<string, unknown>, max: number): readonly string[] {
    if (this.#all) {
      this.clear();
      this.#left = [...held.keys()];
    } else if (this.#services.size > 0) {
      const prefixes = [...this.#services.all].map((service) => `${service}:`);
      this.#services.clear();
      const found: string[] = [];
      for (const name of held.keys()) if (prefixes.some((prefix) => name.startsWith(prefix))) found.push(name);
      this.#left = this.#at < this.#left.length ? [...this.#left.slice(this.#at), ...found] : found;
      this.#at = 0;
    }
    const portion = this.#left.slice(this.#at, this.#at + max);
    this.#at += portion.length;
    if (this.#at >= this.#left.length) {
      this.#left = NONE;
      this.#at = 0;
    }
    return portion;
  }
}
