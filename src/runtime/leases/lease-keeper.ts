/**
 * Which leases have run out: signs of life in, expiries out. Pure: time comes by argument, from a clock that is never set.
 *
 * Invariants:
 * K1 A lease is overdue only when neither its registration, nor a sign of life of its holder, nor the beginning of this watch is less
 *    than its TTL ago. While the process stood still (two calls more than `MAX_GAP_MS` apart) no time passes.
 * K2 Through expiry at most half of a service's leases (rounded down) are out, those that ran out before counted on both sides; the
 *    others stay, and the service is in panic. K5 is the one exception.
 * K3 Those that are silent for longest go first.
 * K4 A lease that ran out is forgotten after `FORGET_MS`, and only while none of its service is silent, or as many are heard as K5 asks
 *    for (then the silence of the others is not ours): what is forgotten no longer counts in K2, which would allow half of the rest.
 *    That none is silent this watch knows only when it has lasted longer than every TTL of the service.
 * K5 All that is overdue goes while at least one lease of the service is heard, and half as many as were heard at any one time in the
 *    last `PEAK_MS`: then those that are silent were replaced, or have been away for so long that without them is how it is. Time in which
 *    nobody is heard does not count: after the longest silence of all, the first that is back proves nothing about the others.
 * K6 A lease of which this process told another keeper that it is overdue is in doubt for `DOUBT_MS`, unless an event changes it: its
 *    expiry may be on its way, and a sign of life that is taken now would come too late.
 */
import { HeardPeaks } from './heard-peak.ts';

/** What the keeper reads of a lease; the same object as long as no event changed it. */
export interface Lease {
  readonly service: string;
  readonly id: string;
  readonly source: string;
  readonly ttlMs: number;
  readonly expired?: true;
  readonly offset: number;
}

export interface Panic {
  readonly service: string;
  /** All leases of the service, those that ran out among them. */
  readonly leases: number;
  readonly expired: number;
  /** Silent for longer than their TTL, and kept. */
  readonly overdue: number;
}

export interface LeaseDecision {
  readonly expire: readonly Lease[];
  readonly forget: readonly Lease[];
  readonly panics: readonly Panic[];
}

/** Calls further apart mean that the process did not run, ms. */
const MAX_GAP_MS = 2_000;
/**
 * Far longer than `ROUND_MAX_MS` and one write of a keeper, ms: a sign of life that is taken after it is later than the expiry. The price
 * of a long one is an event instead of a heartbeat.
 */
const DOUBT_MS = 60_000;
/** How long a lease that ran out is shown and counted, ms. */
export const FORGET_MS = 600_000;

const byService = (leases: readonly Lease[]): Map<string, Lease[]> => {
  const groups = new Map<string, Lease[]>();
  for (const lease of leases) {
    const group = groups.get(lease.service);
    if (group === undefined) groups.set(lease.service, [lease]);
    else group.push(lease);
  }
  return groups;
};

export class LeaseKeeper {
  /** Last sign of life, by lease object: an event makes another object, and begins anew. */
  readonly #seen = new WeakMap<Lease, number>();
  readonly #doubted = new WeakMap<Lease, number>();
  #last: number;
  /** ms in which the process stood still. */
  #lost = 0;
  /** Beginning of this watch, as a time of `#at`. */
  #since: number;
  readonly #peaks = new HeardPeaks();

  constructor(now: number) {
    this.#last = now;
    this.#since = now;
  }

  /** Time that counts (K1). */
  #at(now: number): number {
    const gap = now - this.#last;
    if (gap > MAX_GAP_MS) this.#lost += gap;
    this.#last = Math.max(this.#last, now);
    return this.#last - this.#lost;
  }

  /** All leases have their whole TTL from now on: nobody could reach this process, or another one has taken the signs of life. */
  begin(now: number): void {
    this.#since = this.#at(now);
    this.#peaks.clear();
  }

  /** @param agoMs how long ago the sign of life was */
  renew(lease: Lease, now: number, agoMs = 0): void {
    const at = this.#at(now) - agoMs;
    this.#seen.set(lease, Math.max(at, this.#seen.get(lease) ?? at));
  }

  /** Since the last sign of life that is known here, at most since this watch began. */
  silentMs(lease: Lease, now: number): number {
    const at = this.#at(now);
    return at - Math.max(this.#since, this.#seen.get(lease) ?? this.#since);
  }

  /** `silentMs`, for another keeper, which may let it expire by that (K6). */
  tell(lease: Lease, now: number): number {
    const silentMs = this.silentMs(lease, now);
    if (silentMs >= lease.ttlMs) this.#doubted.set(lease, this.#at(now));
    return silentMs;
  }

  inDoubt(lease: Lease, now: number): boolean {
    const since = this.#doubted.get(lease);
    return since !== undefined && this.#at(now) - since <= DOUBT_MS;
  }

  /** Leases that may have run out, and those that did for long enough; new ones begin with this call. */
  overdue(leases: Iterable<Lease>, now: number): readonly Lease[] {
    const at = this.#at(now);
    const found: Lease[] = [];
    for (const lease of leases) {
      const seen = this.#seen.get(lease);
      if (seen === undefined) this.#seen.set(lease, at);
      else if (at - Math.max(this.#since, seen) >= (lease.expired === true ? FORGET_MS : lease.ttlMs))
        found.push(lease);
    }
    return found;
  }

  /** @param overdue of `overdue`; what was heard since is left out */
  decide(overdue: readonly Lease[], leasesOf: (service: string) => readonly Lease[], now: number): LeaseDecision {
    const expire: Lease[] = [];
    const forget: Lease[] = [];
    const panics: Panic[] = [];
    for (const [service, group] of byService(overdue)) {
      const held = group.filter((lease) => lease.expired !== true && this.silentMs(lease, now) >= lease.ttlMs);
      const old = group.filter((lease) => lease.expired === true);
      const all = leasesOf(service);
      const live = all.filter(({ expired }) => expired !== true);
      if (held.length === 0) {
        // Shortly after the beginning of a watch nobody is overdue, also of those that will not be heard.
        const watchedMs = this.#at(now) - this.#since;
        if (live.every(({ ttlMs }) => watchedMs >= ttlMs + FORGET_MS)) forget.push(...old);
        continue;
      }
      const out = all.length - live.length;
      // H2: those that ran out too, or each watch that begins would take half of what the one before has left.
      const heardSince = (ms: number): number =>
        ms === Number.POSITIVE_INFINITY
          ? all.length
          : live.filter((lease) => this.silentMs(lease, now) < lease.ttlMs + ms).length;
      const heard = heardSince(0);
      const peak = this.#peaks.note(service, this.#at(now), heardSince);
      const isUsual = heard > 0 && 2 * heard >= peak;
      if (isUsual) forget.push(...old);
      const allowed = isUsual ? held.length : Math.max(0, Math.floor(all.length / 2) - out);
      held.sort((a, b) => this.silentMs(b, now) - this.silentMs(a, now));
      expire.push(...held.slice(0, allowed));
      if (held.length > allowed)
        panics.push({ service, leases: all.length, expired: out + allowed, overdue: held.length - allowed });
    }
    return { expire, forget, panics };
  }
}

/**
 * At most `limit` of what is overdue, but whole services (K2 and K4 need all that is overdue of one), and at least one; they take turns,
 * so that every service has its round.
 *
 * @param after the last service of the round before
 */
export const portionOf = (
  overdue: readonly Lease[],
  limit: number,
  after: string,
): { readonly taken: readonly Lease[]; readonly after: string } => {
  if (overdue.length <= limit) return { taken: overdue, after: '' };
  const groups = [...byService(overdue)].sort(([a], [b]) => (a < b ? -1 : 1));
  const from = Math.max(
    0,
    groups.findIndex(([service]) => service > after),
  );
  const taken: Lease[] = [];
  let last = after;
  for (const [service, group] of [...groups.slice(from), ...groups.slice(0, from)]) {
    if (taken.length > 0 && taken.length + group.length > limit) break;
    for (const lease of group) taken.push(lease);
    last = service;
  }
  return { taken, after: last };
};
