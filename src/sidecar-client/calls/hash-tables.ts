/**
 * Consistent hashing: a ring (Envoy's `ring_hash`) and Maglev tables (Eisenbud et al., "Maglev", NSDI 2016, section 3.4). Equal hosts
 * give equal tables in every caller, whatever order they come in; few keys move when a host comes or goes.
 */
import { hashText, mixBits } from './hash.ts';
import type { Host } from './host.ts';

export interface HashTable {
  readonly size: number;
  /** Host at a place, 0 to `size` - 1. */
  at(place: number): Host | undefined;
  /** Place of a hash. */
  placeOf(hash: number): number;
}

const sorted = (hosts: readonly Host[]): readonly Host[] =>
  [...hosts].sort((a, b) => (a.endpoint.key < b.endpoint.key ? -1 : 1));

/** Each weight is written as often as it is a share of the smallest, until `minSize` entries are there; never above `maxSize`. */
export const hashRing = (unsorted: readonly Host[], minSize: number, maxSize: number): HashTable => {
  const hosts = sorted(unsorted);
  const total = hosts.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);
  const least = hosts.reduce((low, { endpoint }) => Math.min(low, endpoint.weight), total) / total;
  const scale = Math.min(Math.ceil(least * minSize) / least, maxSize);
  // Hash and host in one number, so that sorting moves plain numbers. Hosts: below 2^21.
  const entries: number[] = [];
  for (const [index, { endpoint }] of hosts.entries()) {
    const count = Math.max(1, Math.floor((scale * endpoint.weight) / total));
    for (let copy = 0; copy < count; copy++)
      entries.push(mixBits(hashText(endpoint.key, copy) ^ Math.imul(copy, 0x9e3779b1)) * 0x20_0000 + index);
  }
  const ring = Float64Array.from(entries).sort();
  return {
    size: ring.length,
    at: (place) => hosts[(ring[place] ?? 0) % 0x20_0000],
    placeOf(hash) {
      const wanted = hash * 0x20_0000;
      let low = 0;
      let high = ring.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((ring[middle] ?? 0) < wanted) low = middle + 1;
        else high = middle;
      }
      return low === ring.length ? 0 : low;
    },
  };
};

/** `size`: a prime. Hosts take turns, by weight, at the next free place of their own permutation. */
export const maglevTable = (unsorted: readonly Host[], size: number): HashTable => {
  const hosts = sorted(unsorted);
  const table = new Int32Array(size).fill(-1);
  const heaviest = hosts.reduce((most, { endpoint }) => Math.max(most, endpoint.weight), 0);
  const places = hosts.map(({ endpoint }) => hashText(endpoint.key, 1) % size);
  const skips = hosts.map(({ endpoint }) => (hashText(endpoint.key, 2) % (size - 1)) + 1);
  const credit = hosts.map(() => 0);
  for (let filled = 0; filled < size && hosts.length > 0; )
    for (let index = 0; index < hosts.length && filled < size; index++) {
      credit[index] = (credit[index] ?? 0) + (hosts[index]?.endpoint.weight ?? 0) / heaviest;
      if ((credit[index] ?? 0) < 1) continue;
      credit[index] = (credit[index] ?? 0) - 1;
      let place = places[index] ?? 0;
      const skip = skips[index] ?? 1;
      while (table[place] !== -1) place = (place + skip) % size;
      table[place] = index;
      places[index] = place;
      filled += 1;
    }
  return { size, at: (place) => hosts[table[place] ?? -1], placeOf: (hash) => hash % size };
};
