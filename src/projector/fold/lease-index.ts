/** Keys of leases by service: follows the table, so that one service's leases are found without a walk over all. */
import type { LeaseView } from './types.ts';

const NONE: ReadonlySet<string> = new Set();

export class LeaseIndex {
  readonly #byService = new Map<string, Set<string>>();
  #count = 0;

  /** Of all services, those that ran out among them. */
  get count(): number {
    return this.#count;
  }

  of(service: string): ReadonlySet<string> {
    return this.#byService.get(service) ?? NONE;
  }

  changed(key: string, before: LeaseView | undefined, after: LeaseView | undefined): void {
    if (after === undefined) {
      const keys = this.#byService.get(before?.service ?? '');
      if (keys?.delete(key) !== true) return;
      this.#count -= 1;
      if (keys.size === 0) this.#byService.delete(before?.service ?? '');
    } else if (before === undefined) {
      const keys = this.#byService.get(after.service);
      if (keys === undefined) this.#byService.set(after.service, new Set([key]));
      else keys.add(key);
      this.#count += 1;
    }
  }
}
