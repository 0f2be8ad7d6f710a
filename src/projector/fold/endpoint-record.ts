/**
 * One endpoint: what every source said of it, and what is served.
 *
 * Invariants:
 * 1. Facets stand in order of rank; the first one gives all served fields but health.
 * 2. Served health is the worst that any source reports.
 * 3. Records, facets and views are immutable; `view` is another object exactly when the served content differs.
 */
import type { EndpointView } from '../../compile/index.ts';
import type { Health } from '../../model/index.ts';
import { type EndpointTemplate, type EndpointTemplateFields, isSameTemplate, templateOf } from './endpoint-template.ts';
import { compareFacets, isFacetOf, type RankedFacet } from './facet-rank.ts';

/** What a source says: fields of `endpoint.registered` without its owner. */
export interface EndpointWord extends EndpointTemplateFields {
  readonly id: string;
  readonly address: string;
  readonly weight?: number;
  readonly health?: Health;
}

export interface EndpointFacet extends RankedFacet {
  readonly template: EndpointTemplate;
  /** As if this source were the only one. */
  readonly view: EndpointView;
}

export interface EndpointRecord {
  readonly id: string;
  /** Of the last event applied to it. */
  readonly offset: number;
  /** At least one. */
  readonly facets: readonly EndpointFacet[];
  readonly view: EndpointView;
}

/** (Stores one by one: a spread of the template costs ten times as much, and this runs for nearly every event.) */
export const makeView = (
  id: string,
  address: string,
  weight: number | undefined,
  health: Health | undefined,
  template: EndpointTemplate,
): EndpointView => {
  const view: { -readonly [K in keyof EndpointView]: EndpointView[K] } = { id, address };
  if (template.ports !== undefined) view.ports = template.ports;
  if (template.inbound !== undefined) view.inbound = template.inbound;
  if (template.labels !== undefined) view.labels = template.labels;
  if (template.locality !== undefined) view.locality = template.locality;
  if (weight !== undefined) view.weight = weight;
  if (template.serviceAccount !== undefined) view.serviceAccount = template.serviceAccount;
  if (health !== undefined) view.health = health;
  return view;
};

const badness = (health: Health | undefined): number => (health === 'unhealthy' ? 2 : health === 'draining' ? 1 : 0);

/** Invariants 1 and 2. */
const mergedView = (first: EndpointFacet, facets: readonly EndpointFacet[]): EndpointView => {
  if (facets.length === 1) return first.view;
  let health = first.view.health;
  for (const facet of facets) if (badness(facet.view.health) > badness(health)) health = facet.view.health;
  if (health === first.view.health) return first.view;
  return makeView(first.view.id, first.view.address, first.view.weight, health, first.template);
};

const isSameView = (before: EndpointRecord, first: EndpointFacet, view: EndpointView): boolean =>
  before.view === view ||
  (before.view.address === view.address &&
    before.view.weight === view.weight &&
    before.view.health === view.health &&
    before.facets[0] !== undefined &&
    isSameTemplate(first.template, before.facets[0].template));

/** Builds a record; keeps the view of the one before where the served content is equal (invariant 3). */
export const recordOf = (
  id: string,
  offset: number,
  facets: readonly EndpointFacet[],
  before: EndpointRecord | undefined,
): EndpointRecord | undefined => {
  const first = facets[0];
  if (first === undefined) return undefined;
  const view = mergedView(first, facets);
  return { id, offset, facets, view: before !== undefined && isSameView(before, first, view) ? before.view : view };
};

export const facetOf = (
  record: EndpointRecord | undefined,
  source: string,
  rank: number,
): EndpointFacet | undefined => {
  if (record === undefined) return undefined;
  for (const facet of record.facets) if (isFacetOf(facet, source, rank)) return facet;
  return undefined;
};

/** The record with one source's facet replaced or added. */
export const withFacet = (
  record: EndpointRecord | undefined,
  facet: EndpointFacet,
  offset: number,
): EndpointRecord | undefined => {
  const { id } = facet.view;
  if (record === undefined) return recordOf(id, offset, [facet], undefined);
  const others = record.facets.filter((other) => !isFacetOf(other, facet.source, facet.rank));
  const facets = others.length === 0 ? [facet] : [...others, facet].sort(compareFacets);
  return recordOf(id, offset, facets, record);
};

/** The record without one source's facet; undefined when it was the last. */
export const withoutFacet = (
  record: EndpointRecord,
  source: string,
  rank: number,
  offset: number,
): EndpointRecord | undefined =>
  recordOf(
    record.id,
    offset,
    record.facets.filter((facet) => !isFacetOf(facet, source, rank)),
    record,
  );

/** A source's facet as its word makes it; keeps the old facet's view where it says the same. */
export const makeFacet = (
  word: EndpointWord,
  source: string,
  rank: number,
  offset: number,
  before: EndpointFacet | undefined,
  candidates: readonly EndpointTemplate[],
): EndpointFacet => {
  const template = templateOf(word, before?.template, candidates);
  if (before === undefined) {
    return {
      source,
      rank,
      first: offset,
      template,
      view: makeView(word.id, word.address, word.weight, word.health, template),
    };
  }
  const { view: old } = before;
  if (before.template === template && old.address === word.address && old.weight === word.weight) {
    return withHealth(before, word.health);
  }
  const view = makeView(old.id, word.address, word.weight, word.health, template);
  return { source: before.source, rank, first: before.first, template, view };
};

/** The facet with another health; the same facet when it says that already. */
export const withHealth = (facet: EndpointFacet, health: Health | undefined): EndpointFacet => {
  if (facet.view.health === health) return facet;
  const { source, rank, first, template, view } = facet;
  return { source, rank, first, template, view: makeView(view.id, view.address, view.weight, health, template) };
};
