/** A set of names that is empty most of the time: costs nothing while it is. Ten thousand streams have fifty of them each. */
const NONE: ReadonlySet<string> = new Set();

export class NameSet {
  #names: Set<string> | undefined;

  get size(): number {
    return this.#names?.size ?? 0;
  }

  /** The names, in the order added. Not to be kept across changes. */
  get all(): ReadonlySet<string> {
    return this.#names ?? NONE;
  }

  has(name: string): boolean {
    return this.#names?.has(name) ?? false;
  }

  add(name: string): void {
    this.#names ??= new Set();
    this.#names.add(name);
  }

  addAll(names: Iterable<string>): void {
    for (const name of names) this.add(name);
  }

  delete(name: string): boolean {
    const deleted = this.#names?.delete(name) ?? false;
    if (this.#names?.size === 0) this.#names = undefined;
    return deleted;
  }

  clear(): void {
    this.#names = undefined;
  }
}
