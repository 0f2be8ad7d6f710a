/** The tables of the environment `state/`. Workers read the upper ones. */
import type { Environment, Table } from '../store/index.ts';
import type { PackKey } from './tiers.ts';

/** Raised when the layout below changes; an older state is made anew from the log. 3: the history has rows of what was taken away. 4: of all that was; images stand under the hash of their key; counts. */
export const STATE_SCHEMA = { name: 'tendril-state', version: 4 } as const;
export const STATE_NAME = 'state';

export const HEAD_KEY = 'head';
export const MESH_KEY = 'mesh';
export const REBUILD_KEY = 'rebuild';
/** Offset (f64) at which the history begins: all entities have an image there. Absent: it begins with the first event. */
export const HISTORY_KEY = 'history';

export interface ModelTables {
  /** `head`, `mesh`, `rebuild`, `history`. */
  readonly head: Table<string>;
  /** `resourceKey` -> resource. */
  readonly resource: Table<string>;
  /** `<service>.<namespace>` -> ServiceRecord. */
  readonly service: Table<string>;
  /** External host, lower case -> owner. */
  readonly host: Table<string>;
  /** `<service>.<namespace>|<endpoint id>` -> facts for own resources. */
  readonly endpoint: Table<string>;
  /** `<service>.<namespace>`, `*.<namespace>`, `*` -> CallerRecord. */
  readonly caller: Table<string>;
  /** `rawKey` -> raw resource. */
  readonly raw: Table<string>;
  /** `rawSetKey` -> label, where there is one. */
  readonly rawLabel: Table<string>;
  /** Epoch -> keys changed with it. */
  readonly journal: Table<number>;
}

export interface StateTables extends ModelTables {
  /** Entity key -> its `entityTerm`, then its bytes. */
  readonly entity: Table<string>;
  /** Service -> reads and resources of its compile units. */
  readonly unit: Table<string>;
  /** Offset -> outcome, unless applied without a finding. */
  readonly outcome: Table<number>;
  /** The quarantined ones among them, so that a list of them reads no others. */
  readonly quarantine: Table<number>;
  /** Packs of history rows. */
  readonly history: Table<PackKey>;
  /** `[offset, hash of the key, or the next free number]` -> image of an entity; where the history begins, `highestBlockKey` besides. */
  readonly image: Table<[offset: number, number: number]>;
  /** Packs of idempotency entries. */
  readonly idempotency: Table<PackKey>;
  /** Offset -> proof. */
  readonly proof: Table<number>;
  /** Offset -> how many entities there were, at the offsets of proofs. */
  readonly count: Table<number>;
}

export const openModelTables = (environment: Environment): ModelTables => ({
  head: environment.table('head'),
  resource: environment.table('resource'),
  service: environment.table('service'),
  host: environment.table('host'),
  endpoint: environment.table('endpoint'),
  caller: environment.table('caller'),
  raw: environment.table('raw'),
  rawLabel: environment.table('raw-label'),
  journal: environment.table('journal'),
});

export const openStateTables = (environment: Environment): StateTables => ({
  ...openModelTables(environment),
  entity: environment.table('entity'),
  unit: environment.table('unit'),
  outcome: environment.table('outcome'),
  quarantine: environment.table('quarantine'),
  history: environment.table('history'),
  image: environment.table('image'),
  idempotency: environment.table('idempotency'),
  proof: environment.table('proof'),
  count: environment.table('count'),
});
