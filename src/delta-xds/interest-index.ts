/** Who must hear of what: subjects, callers, namespaces, nodes, waiting hosts -> members. */
import type { Audience } from './change.ts';
import type { NodeFacts } from './resource-source.ts';

type Place = Pick<NodeFacts, 'id' | 'caller' | 'namespace'>;

export class InterestIndex<T> {
  readonly #subjects = new Map<string, Set<T>>();
  readonly #callers = new Map<string, Set<T>>();
  readonly #namespaces = new Map<string, Set<T>>();
  readonly #nodes = new Map<string, Set<T>>();
  readonly #waiting = new Set<T>();
  readonly #all = new Set<T>();

  get size(): number {
    return this.#all.size;
  }

  /** Different nodes among the members. */
  get nodes(): number {
    return this.#nodes.size;
  }

  get all(): ReadonlySet<T> {
    return this.#all;
  }

  join(member: T, { id, caller, namespace }: Place): void {
    this.#all.add(member);
    put(this.#nodes, id, member);
    put(this.#callers, caller, member);
    put(this.#namespaces, namespace, member);
  }

  leave(member: T, { id, caller, namespace }: Place, subjects: Iterable<string>): void {
    this.#all.delete(member);
    take(this.#nodes, id, member);
    this.#waiting.delete(member);
    take(this.#callers, caller, member);
    take(this.#namespaces, namespace, member);
    for (const subject of subjects) take(this.#subjects, subject, member);
  }

  add(member: T, subject: string): void {
    put(this.#subjects, subject, member);
  }

  drop(member: T, subject: string): void {
    take(this.#subjects, subject, member);
  }

  wait(member: T, waiting: boolean): void {
    if (waiting) this.#waiting.add(member);
    else this.#waiting.delete(member);
  }

  of(audience: Audience): Iterable<T> {
    switch (audience.by) {
      case 'subject':
        return this.#subjects.get(audience.name) ?? [];
      case 'caller':
        return this.#callers.get(audience.name) ?? [];
      case 'namespace':
        return this.#namespaces.get(audience.name) ?? [];
      case 'node':
        return this.#nodes.get(audience.name) ?? [];
      case 'waiting':
        return this.#waiting;
      case 'all':
        return this.#all;
    }
  }
}

const put = <T>(index: Map<string, Set<T>>, key: string, member: T): void => {
  const members = index.get(key);
  if (members === undefined) index.set(key, new Set([member]));
  else members.add(member);
};

const take = <T>(index: Map<string, Set<T>>, key: string, member: T): void => {
  const members = index.get(key);
  members?.delete(member);
  if (members?.size === 0) index.delete(key);
};
