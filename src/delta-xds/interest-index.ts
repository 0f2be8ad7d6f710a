/** Who must hear of what: subjects, callers, namespaces, nodes, waiting hosts -> members. */
import type { Audience } from './change.ts';
import { Multimap } from './multimap.ts';
import type { NodeFacts } from './resource-source.ts';

type Place = Pick<NodeFacts, 'id' | 'caller' | 'namespace'>;

export class InterestIndex<T extends object> {
  readonly #subjects = new Multimap<T>();
  readonly #callers = new Multimap<T>();
  readonly #namespaces = new Multimap<T>();
  readonly #nodes = new Multimap<T>();
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
    this.#nodes.put(id, member);
    this.#callers.put(caller, member);
    this.#namespaces.put(namespace, member);
  }

  leave(member: T, { id, caller, namespace }: Place, subjects: Iterable<string>): void {
    this.#all.delete(member);
    this.#nodes.take(id, member);
    this.#waiting.delete(member);
    this.#callers.take(caller, member);
    this.#namespaces.take(namespace, member);
    for (const subject of subjects) this.#subjects.take(subject, member);
  }

  add(member: T, subject: string): void {
    this.#subjects.put(subject, member);
  }

  drop(member: T, subject: string): void {
    this.#subjects.take(subject, member);
  }

  wait(member: T, waiting: boolean): void {
    if (waiting) this.#waiting.add(member);
    else this.#waiting.delete(member);
  }

  of(audience: Audience): Iterable<T> {
    switch (audience.by) {
      case 'subject':
        return this.#subjects.of(audience.name);
      case 'caller':
        return this.#callers.of(audience.name);
      case 'namespace':
        return this.#namespaces.of(audience.name);
      case 'node':
        return this.#nodes.of(audience.name);
      case 'waiting':
        return this.#waiting;
      case 'all':
        return this.#all;
    }
  }
}
