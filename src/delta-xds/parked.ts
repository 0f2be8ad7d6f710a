/** Versions that one client has refused of one type, by name: they are never sent again on its stream. */

/** Refused versions remembered per name. */
const MAX_VERSIONS = 32;

export class Parked {
  /** Name -> versions, newest last. */
  #names: Map<string, string[]> | undefined;

  get size(): number {
    return this.#names?.size ?? 0;
  }

  add(name: string, version: string): void {
    this.#names ??= new Map();
    const versions = this.#names.get(name) ?? [];
    versions.push(version);
    if (versions.length > MAX_VERSIONS) versions.shift();
    this.#names.set(name, versions);
  }

  has(name: string, version: string): boolean {
    return this.#names?.get(name)?.includes(version) ?? false;
  }

  /** Names of which a version was refused, with the newest such version. */
  get newest(): ReadonlyMap<string, string> {
    const newest = new Map<string, string>();
    for (const [name, versions] of this.#names ?? []) newest.set(name, versions.at(-1) ?? '');
    return newest;
  }
}
