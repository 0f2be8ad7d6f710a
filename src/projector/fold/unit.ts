/**
 * One unit of decision: a single event or a whole batch. Reducers note here which documents and services they touched, so that
 * checks across documents run once, on the state as the whole unit would leave it.
 */

import type { ServiceEntity } from './service-entity.ts';
import type { PolicyEntity } from './types.ts';

interface Touched<V> {
  /** Indexes of the events that touched it, ascending. */
  readonly indexes: readonly number[];
  /** As it was before the unit. */
  readonly before: V | undefined;
}

export class Unit {
  /** Index of the event that is being applied. */
  index = 0;
  /** By `Kind/namespace/name`, in order of first touch. */
  readonly policies = new Map<string, Touched<PolicyEntity>>();
  /** By `<service>.<namespace>`: services whose facets changed. */
  readonly services = new Map<string, Touched<ServiceEntity>>();

  touchPolicy(key: string, before: PolicyEntity | undefined): void {
    this.touch(this.policies, key, before);
  }

  touchService(name: string, before: ServiceEntity | undefined): void {
    this.touch(this.services, name, before);
  }

  clear(): void {
    this.index = 0;
    this.policies.clear();
    this.services.clear();
  }

  get isEmpty(): boolean {
    return this.policies.size === 0 && this.services.size === 0;
  }

  private touch<V>(map: Map<string, Touched<V>>, key: string, before: V | undefined): void {
    const known = map.get(key);
    if (known === undefined) map.set(key, { indexes: [this.index], before });
    else if (!known.indexes.includes(this.index)) map.set(key, { ...known, indexes: [...known.indexes, this.index] });
  }
}

/** The last event that touched something. */
export const lastIndexOf = (touched: { readonly indexes: readonly number[] } | undefined): number | undefined =>
  touched?.indexes[touched.indexes.length - 1];
