/**
 * Which clusters are to be looked at because they may have become superfluous (`collect.ts` looks): all of them, those of some services,
 * or some by name. A client that holds tens of thousands is looked through in portions.
 */
import { NameSet } from './name-set.ts';

const NONE: readonly string[] = [];

export class Sweep {
  #all = false;
  readonly #services = new NameSet();
  readonly #names = new NameSet();
  /** Names of the portions to come. */
  #left: readonly string[] = NONE;
  #at = 0;

  /** Something is to be looked at. */
  get wanted(): boolean {
    return this.#all || this.#services.size + this.#names.size > 0 || this.#at < this.#left.length;
  }

  /** Everything held. */
  all(): void {
    this.#all = true;
  }

  /** Clusters of one service. */
  of(service: string): void {
    if (!this.#all) this.#services.add(service);
  }

  /** These. */
  some(names: Iterable<string>): void {
    if (!this.#all) this.#names.addAll(names);
  }

  clear(): void {
    this.#all = false;
    this.#services.clear();
    this.#names.clear();
    this.#left = NONE;
    this.#at = 0;
  }

  /** The next portion, at most `max` of the names held; none: all have been given. */
  next(held: ReadonlyMap<string, unknown>, max: number): readonly string[] {
    if (this.#all) {
      this.clear();
      this.#left = [...held.keys()];
    } else if (this.#services.size + this.#names.size > 0) {
      const found = new Set(this.#left.slice(this.#at));
      for (const name of this.#names.all) if (held.has(name)) found.add(name);
      const prefixes = [...this.#services.all].map((service) => `${service}:`);
      if (prefixes.length > 0)
        for (const name of held.keys()) if (prefixes.some((prefix) => name.startsWith(prefix))) found.add(name);
      this.clear();
      this.#left = [...found];
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
