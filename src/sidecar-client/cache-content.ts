/** What the cache on disk has in its table: resources by kind and name, the state of the client, and which service offers an interface. */
import type { Table } from '../store/index.ts';
import { decodeRecord } from './cache-record.ts';
import type { HeldResource } from './config-source.ts';
import type { EarlierLife, RestoredKind } from './earlier-life.ts';

export interface ClockReadings {
  readonly liveAt: number;
  readonly latestAt: number;
}

export interface EarlierState extends EarlierLife {
  /** Since it was last known to be what the control plane says, ms; undefined: unknown, the clock went back. */
  readonly ageMs: number | undefined;
  /** As written: the moment itself, and the latest that the clock has shown since, so that it is seen to go back. Wall clock, ms. */
  readonly clock: ClockReadings;
  readonly interfaces: ReadonlyMap<string, string>;
}

export const KINDS: readonly RestoredKind[] = ['cds', 'eds', 'vhds'];
export const STATE: [string, string] = ['state', 'state'];
/** JSON: pairs of interface and authority. */
export const INTERFACES: [string, string] = ['interfaces', 'interfaces'];

export interface StateRecord {
  readonly liveAt: number;
  readonly latestAt?: number;
  readonly rules?: number;
  readonly hosts: readonly string[];
  readonly clusters: readonly string[];
}

/** What the table has; undefined: nothing. Throws on what fails its checksum. */
export const readContent = (
  table: Table<[string, string]>,
  { now, rules }: { readonly now: () => number; readonly rules: number },
): EarlierState | undefined => {
  const state = table.get(STATE);
  if (state === undefined) return undefined;
  const { liveAt, latestAt = liveAt, hosts, clusters, rules: wroteUnder } = JSON.parse(state.toString()) as StateRecord;
  const found: Record<RestoredKind, HeldResource[]> = { cds: [], eds: [], vhds: [] };
  for (const { key, body } of table.range()) {
    const [kind, name] = key;
    if (kind in found) found[kind as RestoredKind].push(decodeRecord(name, body));
  }
  const pairs = table.get(INTERFACES);
  const interfaces = new Map(pairs === undefined ? [] : (JSON.parse(pairs.toString()) as [string, string][]));
  const at = now();
  return {
    ...found,
    hosts,
    clusters,
    interfaces,
    isChecked: wroteUnder === rules,
    clock: { liveAt, latestAt },
    ageMs: at >= liveAt && at >= latestAt ? at - liveAt : undefined,
  };
};
