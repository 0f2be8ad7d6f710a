import { CDS, EDS, LDS, RDS, VHDS } from '../proto/wire.ts';

/** Short names of the resource types that a sidecar takes. */
export type ResourceKind = 'cds' | 'eds' | 'lds' | 'rds' | 'vhds';

export const URLS = { cds: CDS, eds: EDS, lds: LDS, rds: RDS, vhds: VHDS } as const satisfies Record<
  ResourceKind,
  string
>;

export const KINDS: ReadonlyMap<string, ResourceKind> = new Map([
  [CDS, 'cds'],
  [EDS, 'eds'],
  [LDS, 'lds'],
  [RDS, 'rds'],
  [VHDS, 'vhds'],
]);
