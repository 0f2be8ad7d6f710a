/**
 * Entities that differ between two offsets. Only those are looked at of which the history index has an event in between, in order of their
 * first one, in pages.
 */
import type { EdgeList, EdgeRecord } from '../../dependency-graph/index.ts';
import { canonicalJson, parseServiceName } from '../../model/index.ts';
import type { EndpointRecord } from '../fold/endpoint-record.ts';
import type { EndpointShards } from '../fold/endpoint-shards.ts';
import { RANK_DOCUMENT } from '../fold/facet-rank.ts';
import { type ServiceEntity, serviceViewOf } from '../fold/service-entity.ts';
import type { RawEntity } from '../fold/types.ts';
import { hashSubject } from '../history-rows.ts';
import { inSlices } from '../turns.ts';
import { addUnits, type ChangedUnits, noUnits } from './changed-units.ts';
import { PastEntities, type PastEntitiesOptions, rawKeysSince } from './past-entities.ts';
import { placeOf } from './past-mesh.ts';
import { SharedEvents } from './past-reads.ts';

/** As the API shows it; undefined: it was not there. */
type Shown = Readonly<Record<string, unknown>> | undefined;

export interface ChangedEntity {
  /** `service/…`, `endpoint/…`, `policy/…`, `edge/…`, `resource/…`, `mesh`. */
  readonly subject: string;
  readonly before: Shown;
  readonly after: Shown;
}

export interface DiffPage {
  /** Of those that begin with `subject`, where that was asked for. */
  readonly entities: readonly ChangedEntity[];
  /** Where the next page begins; undefined: this was the last one. */
  readonly next: number | undefined;
}

export interface DiffQuery {
  readonly from: number;
  readonly to: number;
  /** Subjects looked at in one page, about. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly after?: number;
}

const showService = (name: string, service: ServiceEntity | undefined): Shown => {
  const shown = service === undefined ? undefined : serviceViewOf(name, service);
  if (service === undefined || shown === undefined) return undefined;
  const { name: _name, namespace: _namespace, ...view } = shown;
  return { ...view, sources: service.facets.map(({ source }) => source) };
};

const showEndpoint = (record: EndpointRecord | undefined): Shown => {
  if (record === undefined) return undefined;
  const { id: _id, ...view } = record.view;
  return { ...view, sources: record.facets.map(({ source }) => source) };
};

/** Without what every use changes. */
const showEdge = (edge: EdgeRecord | undefined): Shown => {
  if (edge === undefined) return undefined;
  const { declaredBy, pinned, denied, evidence, expired, firstOffset } = edge;
  return { declaredBy, evidence, firstOffset, pinned, denied, expired: expired === true };
};

const showRaw = (raw: RawEntity | undefined): Shown =>
  raw === undefined ? undefined : { version: raw.version, bytes: raw.body.length, source: raw.source };

const byTarget = (edges: EdgeList | undefined): Map<string, EdgeRecord> =>
  new Map([...(edges ?? [])].map((edge) => [edge.to, edge]));

/** Two moments, and what differs between them. */
class Comparison {
  readonly #before: PastEntities;
  readonly #after: PastEntities;
  readonly #found = new Map<string, ChangedEntity>();

  constructor(before: PastEntities, after: PastEntities) {
    this.#before = before;
    this.#after = after;
  }

  async of(units: ChangedUnits): Promise<readonly ChangedEntity[]> {
    if (units.mesh) {
      const [before, after] = [await this.#before.mesh(), await this.#after.mesh()];
      this.#add('mesh', before && { suffixes: before.suffixes }, after && { suffixes: after.suffixes });
    }
    const each = async <T>(
      names: ReadonlySet<string>,
      read: (entities: PastEntities, names: readonly string[]) => Promise<Map<string, T | undefined>>,
      add: (name: string, before: T | undefined, after: T | undefined) => void,
    ): Promise<void> => {
      const list = [...names];
      const [before, after] = [await read(this.#before, list), await read(this.#after, list)];
      for (const name of list) add(name, before.get(name), after.get(name));
    };
    await each(
      units.services,
      (entities, names) => entities.services(names),
      (name, before, after) =>
        this.#add(`service/${pathOf(name)}`, showService(name, before), showService(name, after)),
    );
    await each(
      units.documents,
      (entities, keys) => entities.policies(keys),
      (key, before, after) => this.#add(`policy/${key}`, before?.document, after?.document),
    );
    await each(
      units.callers,
      (entities, callers) => entities.edges(callers),
      (caller, before, after) => this.#edges(caller, byTarget(before), byTarget(after)),
    );
    const raws = new Set(units.raws);
    for (const node of units.cleared)
      for (const key of await rawKeysSince(this.#before))
        if (key.startsWith(`${node}|`) && !this.#hasEvents(rawSubjectOf(key))) raws.add(key);
    await each(
      raws,
      (entities, keys) => entities.raws(keys),
      (key, before, after) => this.#add(rawSubjectOf(key), showRaw(before), showRaw(after)),
    );
    for (const service of new Set([...units.endpoints.keys(), ...units.inline]))
      await this.#endpoints(service, units.endpoints.get(service) ?? new Set(), units.inline.has(service));
    return [...this.#found.values()];
  }

  #edges(caller: string, before: ReadonlyMap<string, EdgeRecord>, after: ReadonlyMap<string, EdgeRecord>): void {
    for (const to of new Set([...before.keys(), ...after.keys()]))
      this.#add(`edge/${caller}/${to}`, showEdge(before.get(to)), showEdge(after.get(to)));
  }

  async #endpoints(service: string, ids: ReadonlySet<string>, inline: boolean): Promise<void> {
    const only = inline ? undefined : ids;
    const before = await this.#before.endpoints(service, only);
    const after = await this.#after.endpoints(service, only);
    const wanted = new Set(ids);
    if (inline) for (const shards of [before, after]) for (const id of this.#inlineOf(service, shards)) wanted.add(id);
    for (const id of wanted)
      this.#add(`endpoint/${pathOf(service)}/${id}`, showEndpoint(before?.peek(id)), showEndpoint(after?.peek(id)));
  }

  /** Those of the Service document, but for those that have events of their own: they are named by these. */
  #inlineOf(service: string, shards: EndpointShards | undefined): readonly string[] {
    const owner = `endpoint/${pathOf(service)}`;
    const rows = this.#after.reads.eventRows(owner, this.#before.reads.at, this.#after.reads.at);
    const kinds = new Set(rows.map(({ kind }) => kind));
    return [...(shards?.records() ?? [])].flatMap(({ id, facets }) =>
      facets.some(({ rank }) => rank === RANK_DOCUMENT) && !kinds.has(hashSubject(`${owner}/${id}`).kind) ? [id] : [],
    );
  }

  /** It is named by them. */
  #hasEvents(subject: string): boolean {
    return this.#after.reads.eventRows(subject, this.#before.reads.at, this.#after.reads.at).length > 0;
  }

  #add(subject: string, before: Shown, after: Shown): void {
    if (before === undefined && after === undefined) return;
    if (before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after)) return;
    this.#found.set(subject, { subject, before, after });
  }
}

const pathOf = (service: string): string => {
  const ref = parseServiceName(service);
  return ref === undefined ? service : `${ref.namespace}/${ref.name}`;
};

const rawSubjectOf = (key: string): string => {
  const [node = '', typeUrl = ''] = key.split('|', 2);
  return `resource/${node}/${typeUrl}/${key.slice(node.length + typeUrl.length + 2)}`;
};

/** @throws TendrilError `OFFSET_GONE` */
export const stateDiff = async (options: PastEntitiesOptions, query: DiffQuery): Promise<DiffPage> => {
  const [from, to] = [(await placeOf(options, query.from)).upTo, (await placeOf(options, query.to)).upTo];
  const both = { ...options, shared: new SharedEvents() };
  const [before, after] = [new PastEntities(both, from), new PastEntities(both, to)];
  if (from >= to) return { entities: [], next: undefined };
  after.reads.refresh();
  const all = await inSlices(options.index.firstOffsets(from, to), 1);
  const rest = query.after === undefined ? all : all.filter((offset) => offset > (query.after ?? 0));
  const page = rest.slice(0, query.limit);
  const units = noUnits();
  for (const event of (await after.reads.readAll(page)).values()) addUnits(units, event, after.reads, from);
  const entities = await new Comparison(before, after).of(units);
  return { entities, next: rest.length > page.length ? page.at(-1) : undefined };
};

/** One entity alone, by its subject, whether or not there are events in between. */
export const entityDiff = async (
  options: PastEntitiesOptions,
  query: Pick<DiffQuery, 'from' | 'to'> & { readonly subject: string },
): Promise<readonly ChangedEntity[]> => {
  const [from, to] = [(await placeOf(options, query.from)).upTo, (await placeOf(options, query.to)).upTo];
  const both = { ...options, shared: new SharedEvents() };
  const [before, after] = [new PastEntities(both, from), new PastEntities(both, to)];
  const units = noUnits();
  const [family = '', first = '', second = '', ...rest] = query.subject.split('/');
  if (family === 'policy') units.documents.add([first, second, ...rest].join('/'));
  else if (family === 'service') units.services.add(`${second}.${first}`);
  else if (family === 'endpoint') units.endpoints.set(`${second}.${first}`, new Set([rest.join('/')]));
  else if (family === 'edge') units.callers.add(first);
  return (await new Comparison(before, after).of(units)).filter(({ subject }) => subject === query.subject);
};
