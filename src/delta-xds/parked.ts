/** Versions that one client has refused of one type, by name: they are never sent again on its stream. */
import type { ResourceBody } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';

/** Refused versions remembered per name. */
const MAX_VERSIONS = 32;
const NONE: ReadonlyMap<string, string> = new Map();

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

  /**
   * Names whose version of now is one of the refused, with that version. `versionOf`: of now; undefined: there is none.
   * What was refused once and has changed since is not refused any more.
   */
  now(versionOf: (name: string) => string | undefined): ReadonlyMap<string, string> {
    if (this.#names === undefined) return NONE;
    const refused = new Map<string, string>();
    for (const [name, versions] of this.#names) {
      const version = versionOf(name);
      if (version !== undefined && versions.includes(version)) refused.set(name, version);
    }
    return refused;
  }
}

/** Names and versions that a client has refused and would be sent otherwise. */
export const refusedNow = (
  state: { body(type: ResourceType, name: string): ResourceBody | undefined },
  type: ResourceType,
  parked: Parked,
): ReadonlyMap<string, string> =>
  parked.now((name) => state.body(type, type === 'vhds' ? name.slice(name.indexOf('/') + 1) : name)?.version);
