/** Short names of resource types, and their type URLs (xds_protocol.rst, "Resource types"). */
import { CDS, ECDS, EDS, LDS, RDS, RTDS, SDS, SRDS, VHDS } from '../proto/index.ts';

/** The types that have a service of their own. Tendril compiles the first five; the others come from raw resources. */
export type KnownType = 'cds' | 'eds' | 'lds' | 'rds' | 'vhds' | 'srds' | 'sds' | 'ecds' | 'rtds';

/** A known type's short name; of any other type its URL. */
export type ResourceType = KnownType | (string & {});

const URLS: Readonly<Record<KnownType, string>> = {
  cds: CDS,
  eds: EDS,
  lds: LDS,
  rds: RDS,
  vhds: VHDS,
  srds: SRDS,
  sds: SDS,
  ecds: ECDS,
  rtds: RTDS,
};

const TYPES: ReadonlyMap<string, KnownType> = new Map(
  (Object.keys(URLS) as KnownType[]).map((type) => [URLS[type], type]),
);

export const typeOf = (typeUrl: string): ResourceType => TYPES.get(typeUrl) ?? typeUrl;

/** For counters by type: a client may name any number of unknown ones. */
export const countedAs = (type: ResourceType): string => (type in URLS ? type : 'other');

export const typeUrlOf = (type: ResourceType): string => (URLS as Readonly<Record<string, string>>)[type] ?? type;
