/**
 * Rank of what a source says (design.md section 5): `Service` document > API > registry adapters > leases. Equal rank: the
 * earliest first offset. A source tells its family by its name: `adapter:<name>` and `lease:<name>`; every other name is an
 * operator or a caller of the API.
 */
export const RANK_DOCUMENT = 300;
export const RANK_API = 200;
export const RANK_ADAPTER = 100;
export const RANK_LEASE = 0;

export const rankOf = (source: string): number => {
  if (source.startsWith('adapter:')) return RANK_ADAPTER;
  if (source.startsWith('lease:')) return RANK_LEASE;
  return RANK_API;
};

/** What decides between facets of one entity. */
export interface RankedFacet {
  readonly source: string;
  readonly rank: number;
  /** Offset of the source's first word since it last withdrew. */
  readonly first: number;
}

/** Highest rank first, then the earliest. */
export const compareFacets = (a: RankedFacet, b: RankedFacet): number =>
  b.rank - a.rank || a.first - b.first || (a.source < b.source ? -1 : a.source > b.source ? 1 : 0);

/** A source of events and a document of the same name are two owners. */
export const isFacetOf = (facet: RankedFacet, source: string, rank: number): boolean =>
  facet.source === source && facet.rank === rank;
