/**
 * Which hosts of a cluster calls may go to, and in which shares: health, panic, and the own zone first.
 *
 * Envoy keeps a zone's calls inside as far as its share of the endpoints is that of the callers, which it knows from the cluster
 * `local`. A client does not know the other callers; it stays in its zone while that has usable endpoints, and leaves in the measure in
 * which they fail: of 10 endpoints with 5 left the zone keeps 1.4 * 5 / 10 = 70 % (Envoy's overprovisioning factor of priorities).
 */
import type { Host } from './host.ts';

export interface Locality {
  readonly region: string;
  readonly zone: string;
}

export interface HostGroup {
  /** Stays with the group through updates. */
  readonly name: 'zone' | 'region' | 'all';
  readonly hosts: readonly Host[];
  /** Of the calls; all groups together 1. */
  readonly share: number;
}

const OVERPROVISIONING = 1.4;

/** The first priority that has a usable host; without any the first of all. */
const atPriority = (hosts: readonly Host[]): readonly Host[] => {
  let first = Number.POSITIVE_INFINITY;
  let usable = Number.POSITIVE_INFINITY;
  for (const host of hosts) {
    first = Math.min(first, host.endpoint.priority);
    if (host.usable) usable = Math.min(usable, host.endpoint.priority);
  }
  const level = usable === Number.POSITIVE_INFINITY ? first : usable;
  return hosts.every(({ endpoint }) => endpoint.priority === level)
    ? hosts
    : hosts.filter(({ endpoint }) => endpoint.priority === level);
};

const weightOf = (hosts: readonly Host[]): number => hosts.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);

/** Own zone, rest of the own region, rest: each takes what its health allows of what is left. */
const byLocality = (hosts: readonly Host[], { region, zone }: Locality): readonly HostGroup[] => {
  const near: Record<HostGroup['name'], Host[]> = { zone: [], region: [], all: [] };
  for (const host of hosts) {
    const { endpoint } = host;
    if (endpoint.region !== region) near.all.push(host);
    else if (zone !== '' && endpoint.zone === zone) near.zone.push(host);
    else near.region.push(host);
  }
  const groups: HostGroup[] = [];
  let left = 1;
  for (const name of ['zone', 'region', 'all'] as const) {
    const usable = near[name].filter((host) => host.usable);
    if (usable.length === 0) continue;
    const share = Math.min(left, (OVERPROVISIONING * weightOf(usable)) / weightOf(near[name]));
    left = Math.max(0, left - share);
    if (share > 0) groups.push({ name, hosts: usable, share });
  }
  // Too few everywhere: those that are left share all of it.
  return left > 0 ? groups.map((group) => ({ ...group, share: group.share / (1 - left) })) : groups;
};

/**
 * Empty: no host may be used.
 * @param panicPercent below this share of usable hosts health and ejections are ignored; 0: never
 * @param zoneFrom fewest usable hosts with which the locality counts; undefined: never
 */
export const hostGroups = (
  all: readonly Host[],
  panicPercent: number,
  zoneFrom: number | undefined,
  locality: Locality,
): readonly HostGroup[] => {
  const hosts = atPriority(all);
  const usable = hosts.filter((host) => host.usable);
  if (usable.length * 100 < panicPercent * hosts.length) return [{ name: 'all', hosts, share: 1 }];
  if (usable.length === 0) return [];
  const known = locality.zone !== '' || locality.region !== '';
  if (zoneFrom === undefined || !known || usable.length < zoneFrom) return [{ name: 'all', hosts: usable, share: 1 }];
  return byLocality(hosts, locality);
};
