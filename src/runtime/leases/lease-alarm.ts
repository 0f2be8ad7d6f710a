/**
 * Which services are in panic, and the two lines of the log about each: when it begins and when it ends. The set is that of the last round
 * in which everybody answered; a replica that no longer keeps the leases knows of none.
 */
import type { Lease, Panic } from './lease-keeper.ts';

type Logger = Record<'info' | 'error', (fields: object, message: string) => void>;

export class LeaseAlarm {
  readonly #logger: Logger;
  #panics: readonly Panic[] = [];
  /** Times a service came into panic. */
  count = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get panics(): readonly Panic[] {
    return this.#panics;
  }

  /**
   * @param decided panics of the services that had their turn
   * @param all that is overdue; what of it had no turn is in panic as before
   */
  round(decided: readonly Panic[], all: readonly Lease[], taken: readonly Lease[]): void {
    const panics = [...decided, ...this.#waiting(all, taken)];
    const before = new Set(this.#panics.map(({ service }) => service));
    const now = new Set(panics.map(({ service }) => service));
    for (const panic of panics) {
      if (before.has(panic.service)) continue;
      this.count += 1;
      this.#logger.error(
        { ...panic },
        `panic: too many leases of ${panic.service} are silent; at most half expire, the others stay`,
      );
    }
    for (const service of before)
      if (!now.has(service)) this.#logger.info({ service }, `the panic of ${service} is over`);
    this.#panics = panics;
  }

  /** Another replica keeps the leases: it tells. */
  clear(): void {
    this.#panics = [];
  }

  #waiting(all: readonly Lease[], taken: readonly Lease[]): readonly Panic[] {
    if (all.length === taken.length || this.#panics.length === 0) return [];
    const had = new Set(taken.map(({ service }) => service));
    const are = new Set(all.map(({ service }) => service));
    return this.#panics.filter(({ service }) => are.has(service) && !had.has(service));
  }
}
