/**
 * A service: what every source said of it, highest rank first; the first facet is served.
 *
 * Invariants:
 * 1. A source writes and withdraws only its own facet; the service is gone with the last one.
 * 2. The default port is the lowest HTTP port at first registration and stays while the served facet has it as an HTTP port.
 * 3. Views are immutable and another object exactly when their content differs.
 */
import { castDraft, type Immer, type Patch } from 'immer';
import type { ServiceView } from '../../compile/index.ts';
import {
  canonicalJson,
  type InterfaceSpec,
  parseServiceName,
  type ServiceData,
  type ServicePortSpec,
  type Visibility,
} from '../../model/index.ts';
import { compareFacets, isFacetOf, type RankedFacet } from './facet-rank.ts';

/** What a source says, in normal form. */
export interface ServiceWord {
  /** Ascending by port. */
  readonly ports: readonly ServicePortSpec[];
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly InterfaceSpec[];
  /** Lower case, in the order given: the first is what a cluster without endpoints resolves. */
  readonly externalHosts: readonly string[];
  readonly visibility: Visibility;
}

export interface ServiceFacetEntity extends RankedFacet {
  /** Of the source's last word, and its recordedAt. */
  readonly offset: number;
  readonly recordedAt: number;
  readonly word: ServiceWord;
}

export interface ServiceEntity {
  /** Of the last event applied to it. */
  readonly offset: number;
  readonly defaultPort?: number;
  /** At least one. */
  readonly facets: readonly ServiceFacetEntity[];
}

export const serviceWordOf = (data: Omit<ServiceData, 'namespace' | 'name'>): ServiceWord => ({
  ports: data.ports.toSorted((a, b) => a.port - b.port),
  labels: data.labels ?? {},
  interfaces: data.interfaces ?? [],
  externalHosts: (data.external?.hosts ?? []).map((host) => host.toLowerCase()),
  visibility: Array.isArray(data.visibility) ? [...new Set(data.visibility)].sort() : (data.visibility ?? 'mesh'),
});

const NOTHING: ServiceEntity = { offset: 0, facets: [] };

const isHttpPort = (word: ServiceWord, port: number | undefined): boolean =>
  word.ports.some((spec) => spec.port === port && spec.protocol !== 'tcp');

/** Invariant 2. */
const defaultPortOf = (word: ServiceWord, before: number | undefined): number | undefined =>
  isHttpPort(word, before) ? before : word.ports.find(({ protocol }) => protocol !== 'tcp')?.port;

const isSameWord = (before: ServiceWord | undefined, after: ServiceWord | undefined): boolean =>
  before === after || (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after));

/** Who says something, and where it stands in the log. */
export interface Speaker {
  readonly source: string;
  readonly rank: number;
  readonly offset: number;
  readonly recordedAt: number;
}

/** A service after a change, and whether immer's patches touch anything that may be served. */
export interface ServiceChange {
  /** Undefined: the last facet is gone. */
  readonly entity: ServiceEntity | undefined;
  readonly touchesServed: boolean;
}

const touchesServed = (patches: readonly Patch[]): boolean =>
  patches.some(
    ({ path }) => path[0] === 'defaultPort' || (path[0] === 'facets' && (path.length < 3 || path[2] === 'word')),
  );

const settlePort = (
  draft: { defaultPort?: number },
  word: ServiceWord | undefined,
  before: number | undefined,
): void => {
  const port = word === undefined ? undefined : defaultPortOf(word, before);
  if (port === undefined) delete draft.defaultPort;
  else if (port !== before) draft.defaultPort = port;
};

/**
 * The service after a source said what it is. A word that says nothing new keeps its identity. (All reading is done on the
 * entity: reading from a draft would make drafts of everything below.)
 */
export const withServiceFacet = (
  immer: Immer,
  entity: ServiceEntity | undefined,
  speaker: Speaker,
  word: ServiceWord,
): ServiceChange => {
  const { source, rank, offset, recordedAt } = speaker;
  const base = entity ?? NOTHING;
  const at = base.facets.findIndex((facet) => isFacetOf(facet, source, rank));
  const known = base.facets[at];
  const isNewWord = !isSameWord(known?.word, word);
  const facets =
    known === undefined
      ? [...base.facets, { source, rank, first: offset, offset, recordedAt, word }].sort(compareFacets)
      : base.facets;
  const served = at === 0 && isNewWord ? word : facets[0]?.word;
  const [next, patches] = immer.produceWithPatches(base, (draft) => {
    draft.offset = offset;
    const own = draft.facets[at];
    if (own === undefined) draft.facets = castDraft(facets);
    else {
      own.offset = offset;
      own.recordedAt = recordedAt;
      if (isNewWord) own.word = castDraft(word);
    }
    settlePort(draft, served, base.defaultPort);
  });
  return { entity: next, touchesServed: touchesServed(patches) };
};

/** The service without a source's facet. */
export const withoutServiceFacet = (
  immer: Immer,
  entity: ServiceEntity,
  source: string,
  rank: number,
  offset: number,
): ServiceChange => {
  const facets = entity.facets.filter((facet) => !isFacetOf(facet, source, rank));
  if (facets.length === 0) return { entity: undefined, touchesServed: true };
  const [next, patches] = immer.produceWithPatches(entity, (draft) => {
    draft.offset = offset;
    draft.facets = castDraft(facets);
    settlePort(draft, facets[0]?.word, entity.defaultPort);
  });
  return { entity: next, touchesServed: touchesServed(patches) };
};

export const hasServiceFacet = (entity: ServiceEntity | undefined, source: string, rank: number): boolean =>
  entity?.facets.some((facet) => isFacetOf(facet, source, rank)) ?? false;

const NO_HOSTS: ReadonlySet<string> = new Set();

/** All external hosts that any source claims for the service. */
export const claimedHosts = (entity: ServiceEntity | undefined): ReadonlySet<string> => {
  if (entity === undefined || entity.facets.every((facet) => facet.word.externalHosts.length === 0)) return NO_HOSTS;
  return new Set(entity.facets.flatMap((facet) => facet.word.externalHosts));
};

const views = new WeakMap<ServiceEntity, ServiceView>();

/** What is served; computed once per entity. */
export const serviceViewOf = (name: string, entity: ServiceEntity): ServiceView | undefined => {
  const known = views.get(entity);
  if (known !== undefined) return known;
  const word = entity.facets[0]?.word;
  const ref = parseServiceName(name);
  if (word === undefined || ref === undefined) return undefined;
  const view: ServiceView = { name, namespace: ref.namespace, defaultPort: entity.defaultPort, ...word };
  views.set(entity, view);
  return view;
};

/** True when `after` serves other content than `before`. */
export const serviceDiffers = (before: ServiceEntity | undefined, after: ServiceEntity | undefined): boolean => {
  if (before === undefined || after === undefined) return before !== after;
  return before.defaultPort !== after.defaultPort || !isSameWord(before.facets[0]?.word, after.facets[0]?.word);
};

/** Invariant 3: an entity that serves the same as the one before has its view. */
export const keepView = (before: ServiceEntity, after: ServiceEntity): void => {
  const view = views.get(before);
  if (view !== undefined) views.set(after, view);
};
