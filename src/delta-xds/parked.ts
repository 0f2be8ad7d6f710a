/** Versions that one client has refused of one type, by name: they are never sent again on its stream. */
import type { ResourceBody } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';

/** Refused versions remembered per name. */
const MAX_VERSIONS = 32;
const NO_NAMES: readonly string[] = [];
const NONE: ReadonlyMap<string, string> = new Map();

/** A version that was refused together with others, which may be to blame: name -> version of these, '' for a removal. */
interface Company {
  readonly version: string;
  readonly others: ReadonlyMap<string, string>;
}

export class Parked {
  /** Name -> versions, newest last. */
  #names: Map<string, string[]> | undefined;
  /** Of the version that was refused last, if it was not refused alone. */
  #companies: Map<string, Company> | undefined;

  get size(): number {
    return this.#names?.size ?? 0;
  }

  add(name: string, version: string, others?: ReadonlyMap<string, string>): void {
    this.#companies?.delete(name);
    if (others !== undefined && others.size > 0) {
      this.#companies ??= new Map();
      this.#companies.set(name, { version, others });
    }
    this.#names ??= new Map();
    const versions = this.#names.get(name) ?? [];
    versions.push(version);
    if (versions.length > MAX_VERSIONS) versions.shift();
    this.#names.set(name, versions);
  }

  /** Names that were refused together with this one. */
  companionsOf(name: string): readonly string[] {
    if (this.#companies === undefined) return NO_NAMES;
    return [...this.#companies].flatMap(([other, { others }]) => (others.has(name) ? [other] : NO_NAMES));
  }

  /** Whether one of those that it was refused with is another one by now. `versionOf`: '' when the client is to have none. */
  hasOtherCompany(name: string, version: string, versionOf: (other: string) => string): boolean {
    const company = this.#companies?.get(name);
    if (company?.version !== version) return false;
    for (const [other, before] of company.others) if (versionOf(other) !== before) return true;
    return false;
  }

  /** It may be tried again: what it was refused for may be over. */
  forgive(name: string, version: string): void {
    this.#companies?.delete(name);
    const versions = this.#names?.get(name)?.filter((refused) => refused !== version) ?? [];
    if (versions.length > 0) this.#names?.set(name, versions);
    else this.#names?.delete(name);
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

type Bodies = { body(type: ResourceType, name: string): ResourceBody | undefined };

const NO_COUNTS: readonly (readonly [ResourceType, number])[] = [];

/** Types of which a client refuses something now, and how many resources. */
export const parkedCounts = <Channel extends { readonly type: ResourceType }>(
  state: Bodies,
  channels: Iterable<Channel>,
  parkedOf: (channel: Channel) => Parked,
): readonly (readonly [type: ResourceType, count: number])[] => {
  let counts: [ResourceType, number][] | undefined;
  for (const channel of channels) {
    const parked = parkedOf(channel);
    if (parked.size === 0) continue;
    const { size } = refusedNow(state, channel.type, parked);
    if (size === 0) continue;
    counts ??= [];
    counts.push([channel.type, size]);
  }
  return counts ?? NO_COUNTS;
};

/** Names and versions that a client has refused and would be sent otherwise. */
export const refusedNow = (state: Bodies, type: ResourceType, parked: Parked): ReadonlyMap<string, string> =>
  parked.now((name) => state.body(type, type === 'vhds' ? name.slice(name.indexOf('/') + 1) : name)?.version);
