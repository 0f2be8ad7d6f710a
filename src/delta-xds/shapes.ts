/** What sessions remember of a resource instead of its bytes, shared among all sessions of a process. */
import { parseClusterName } from '../model/index.ts';
import { type Item, plainResource, type SentResource } from './effect.ts';
import type { ResourceBody } from './resource-source.ts';

/** A resource's outline: a few words, where its body may be megabytes. Equal versions have equal shapes. */
export interface Shape {
  readonly version: string;
  /** Virtual hosts: domains. Undefined: the client named a version that this process never saw. */
  readonly domains: readonly string[] | undefined;
  /** Virtual hosts: clusters of its routes. Undefined as above. */
  readonly clusters: readonly string[] | undefined;
}

const NONE: readonly string[] = [];

/** A resource without aliases as it is sent and remembered when it goes alone. */
export interface Alone {
  readonly resources: readonly [SentResource];
  readonly items: readonly [Item];
}

/** Stands for "removed" where a shape is expected. */
export const GONE: Shape = { version: '', domains: NONE, clusters: NONE };

/** Prefix of the version of a body-less (negative) answer; no content hash begins so. */
export const NEGATIVE_PREFIX = 'neg-';

/**
 * Interning table of one process. Everything in it can be made again: at its bound it starts afresh, which costs sharing, never
 * correctness. Counter: `resets`.
 */
export class SharedShapes {
  readonly #max: number;
  readonly #maxChars: number;
  /** Characters of all texts kept: names are as long as clients make them. */
  #chars = 0;
  readonly #shapes = new Map<string, Shape>();
  readonly #texts = new Map<string, string>();
  readonly #subjects = new Map<string, string>();
  readonly #sets = new WeakMap<readonly string[], ReadonlySet<string>>();
  readonly #alone = new WeakMap<ResourceBody, Alone>();
  resets = 0;

  /** `max`: entries per table (default 262,144); `maxChars`: characters of all texts (default 16 Mi). */
  constructor(max = 262_144, maxChars = 16 * 1024 * 1024) {
    this.#max = max;
    this.#maxChars = maxChars;
  }

  of(body: ResourceBody): Shape {
    const domains = body.domains ?? NONE;
    const clusters = body.clusters ?? NONE;
    const known = this.#shapes.get(body.version);
    if (known !== undefined && sameList(known.domains, domains) && sameList(known.clusters, clusters)) return known;
    const made = { version: this.text(body.version), domains, clusters };
    this.#put(this.#shapes, body.version, made);
    return made;
  }

  /** Shape of a version that a client named and that is not the current one. */
  unknown(version: string): Shape {
    return { version, domains: undefined, clusters: undefined };
  }

  /** One instance of equal texts: names out of ten thousand requests become one string. */
  text(value: string): string {
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    if (this.#texts.size >= this.#max || this.#chars >= this.#maxChars) {
      this.#texts.clear();
      this.#subjects.clear();
      this.#chars = 0;
      this.resets++;
    }
    this.#texts.set(value, value);
    this.#chars += value.length;
    return value;
  }

  /** Key under which changes of a cluster, assignment or virtual host are announced: its service, else the name itself. */
  subjectOf(name: string): string {
    const known = this.#subjects.get(name);
    if (known !== undefined) return known;
    const made = this.text(parseClusterName(name)?.service ?? name);
    this.#put(this.#subjects, this.text(name), made);
    return made;
  }

  /** The list as a set, made once per array. */
  setOf(list: readonly string[]): ReadonlySet<string> {
    let set = this.#sets.get(list);
    if (set === undefined) {
      set = new Set(list);
      this.#sets.set(list, set);
    }
    return set;
  }

  /** The same lists for all sessions that send this body under this name. */
  alone(name: string, body: ResourceBody): Alone {
    const known = this.#alone.get(body);
    if (known !== undefined && known.resources[0].name === name) return known;
    const kept = this.text(name);
    const made: Alone = {
      resources: [plainResource(kept, body.version, body.body)],
      items: [{ name: kept, version: body.version, shape: this.of(body), atom: 0 }],
    };
    this.#alone.set(body, made);
    return made;
  }

  #put<T>(table: Map<string, T>, key: string, value: T): void {
    if (table.size >= this.#max) {
      table.clear();
      this.resets++;
    }
    table.set(key, value);
  }
}

export const sameList = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((text, at) => text === b[at]));
