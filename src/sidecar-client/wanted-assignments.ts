/** EDS names that the clusters held need, counted: a cluster that comes or goes costs its own name, not a look at all clusters. */
export class WantedAssignments {
  readonly #counts = new Map<string, number>();
  readonly #touched = new Set<string>();

  has(name: string): boolean {
    return this.#counts.has(name);
  }

  names(): readonly string[] {
    return [...this.#counts.keys()];
  }

  /** A cluster was held with the first name, and is held with the second; undefined: it is not held, or needs none. */
  move(from: string | undefined, to: string | undefined): void {
    if (from === to) return;
    if (from !== undefined) {
      const left = (this.#counts.get(from) ?? 0) - 1;
      if (left > 0) this.#counts.set(from, left);
      else this.#counts.delete(from);
      this.#touched.add(from);
    }
    if (to !== undefined) {
      this.#counts.set(to, (this.#counts.get(to) ?? 0) + 1);
      this.#touched.add(to);
    }
  }

  /** Since the last call: what is now wanted and not yet asked for, and what was asked for and is wanted no more. */
  difference(asked: ReadonlySet<string>): { readonly come: readonly string[]; readonly gone: readonly string[] } {
    const touched = [...this.#touched];
    this.#touched.clear();
    return {
      come: touched.filter((name) => this.has(name) && !asked.has(name)),
      gone: touched.filter((name) => !this.has(name) && asked.has(name)),
    };
  }
}
