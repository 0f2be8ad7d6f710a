/**
 * One unit of decision: a single event or a whole batch. Reducers note here which documents and services they touched, so that
 * checks across documents run once, on the state as the whole unit would leave it.
 */

import type { ServiceEntity } from './service-entity.ts';
import type { PolicyEntity } from './types.ts';

interface Touched<V> {
  /** Index of the event that touched it last. */
  readonly index: number;
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
    this.policies.set(key, {
      index: this.index,
      before: this.policies.has(key) ? this.policies.get(key)?.before : before,
    });
  }

  touchService(name: string, before: ServiceEntity | undefined): void {
    this.services.set(name, {
      index: this.index,
      before: this.services.has(name) ? this.services.get(name)?.before : before,
    });
  }

  clear(): void {
    this.index = 0;
    this.policies.clear();
    this.services.clear();
  }

  get isEmpty(): boolean {
    return this.policies.size === 0 && this.services.size === 0;
  }
}
