/**
 * Endpoints of a service as they were: those of now, but for the ones that something happened to since. Each of these is taken from the
 * newest image that has it, and the events behind that are folded.
 *
 * Invariants
 * P1 An endpoint that no event since speaks of, neither of its own nor of the Service document, is as it is now.
 * P2 An endpoint of then that is not there now is named by a withdrawal since, or by the Service document of then.
 * P3 An image of a block is the truth at its offset for every endpoint in it; it says nothing of others.
 * P4 An endpoint in no image came after the history's beginning: all blocks that have an image there are looked at, since the events
 *    before it are gone.
 */
import { isObject, type RecordedEvent } from '../../model/index.ts';
import { Block } from '../fold/endpoint-block.ts';
import type { EndpointRecord } from '../fold/endpoint-record.ts';
import { EndpointShards, MAX_BLOCK } from '../fold/endpoint-shards.ts';
import { RANK_DOCUMENT } from '../fold/facet-rank.ts';
import type { PolicyEntity } from '../fold/types.ts';
import { hashSubject } from '../history-rows.ts';
import type { ServiceSubjects } from './past-entities.ts';
import { decided, foldInto, type PastReads } from './past-reads.ts';

/** Blocks above the highest of now whose images are looked for: without one, more events are folded. */
const BLOCKS_ABOVE = 4;

const inlineIds = (policy: PolicyEntity | undefined): readonly string[] => {
  const { endpoints } = (policy?.document.spec ?? {}) as { readonly endpoints?: unknown };
  if (!Array.isArray(endpoints)) return [];
  return endpoints.flatMap((one: unknown) => (isObject(one) && typeof one.id === 'string' ? [one.id] : []));
};

const idOf = (event: RecordedEvent): string | undefined => {
  const { id } = event.data as { readonly id?: unknown };
  return typeof id === 'string' ? id : undefined;
};

const shardsOf = (records: Iterable<EndpointRecord>): EndpointShards | undefined => {
  const all = [...records].sort((a, b) => (a.id < b.id ? -1 : 1));
  const blocks: Block[] = [];
  for (let at = 0; at < all.length; at += MAX_BLOCK)
    blocks.push(Block.of(blocks.length, all.slice(at, at + MAX_BLOCK)));
  return blocks.length === 0 ? undefined : EndpointShards.of(blocks);
};

/** An endpoint of an image, and the image's offset. */
interface Imaged {
  readonly from: number;
  readonly record: EndpointRecord;
}

/** By id, the newest image at or below the offset. */
const imagesOf = (reads: PastReads, service: string, highest: number, base: number): Map<string, Imaged> => {
  const found = new Map<string, Imaged>();
  const take = (number: number, from: number, bytes: Uint8Array): void => {
    for (const record of Block.packed(number, bytes).peek())
      if ((found.get(record.id)?.from ?? -1) < from) found.set(record.id, { from, record });
  };
  // P4
  if (base > 0) for (const [number, bytes] of reads.blocksAtBase(service, base)) take(number, base, bytes);
  for (let number = 0; number <= highest + BLOCKS_ABOVE; number++) {
    const image = reads.image(`eps/${service}/${number}`, reads.at);
    if (image !== undefined) take(number, image.offset, image.bytes);
  }
  return found;
};

/**
 * @param policyAt the Service document behind an event
 * @param only these ids are looked at; all others are as they are now
 */
export const endpointsAt = async (
  reads: PastReads,
  service: string,
  subjects: ServiceSubjects,
  policyAt: (upTo: number) => Promise<PolicyEntity | undefined>,
  only?: ReadonlySet<string>,
): Promise<EndpointShards | undefined> => {
  reads.refresh();
  const prefix = `eps/${service}/`;
  const numbers = reads.keysNow(prefix).map((key) => Number(key.slice(prefix.length)));
  const blocks = numbers.flatMap((number) => {
    const bytes = reads.entityNow(`${prefix}${number}`);
    return bytes === undefined ? [] : [Block.packed(number, bytes)];
  });
  const kinds = new Set(reads.eventRows(subjects.endpoints, reads.at).map(({ kind }) => kind));
  const documentRows = reads.eventRows(subjects.policy);
  const documentMoved = documentRows.some(({ offset }) => offset > reads.at);
  if (kinds.size === 0 && !documentMoved) return blocks.length === 0 ? undefined : EndpointShards.of(blocks);

  const base = reads.historyFrom();
  const images = imagesOf(reads, service, Math.max(0, ...numbers), base);
  const rows = reads.eventRows(subjects.endpoints, 0, reads.at);
  const kindOf = (id: string): number => hashSubject(`${subjects.endpoints}/${id}`).kind;
  const now = new Map(blocks.flatMap((block) => block.peek()).map((record) => [record.id, record]));
  const moved = new Set<string>();
  if (only === undefined) {
    // P1
    for (const { id, facets } of now.values())
      if (kinds.has(kindOf(id)) || (documentMoved && facets.some(({ rank }) => rank === RANK_DOCUMENT))) moved.add(id);
    // P2
    for (const event of await reads.removals(subjects.endpoints)) {
      const id = idOf(event);
      if (id !== undefined) moved.add(id);
    }
    if (documentMoved) for (const id of inlineIds(await policyAt(reads.at))) moved.add(id);
  } else for (const id of only) if (documentMoved || kinds.has(kindOf(id))) moved.add(id);

  // Those of one image are folded together (P3): the document's facets need the document as it was at that offset.
  const groups = new Map<number, string[]>();
  for (const id of moved) {
    const from = images.get(id)?.from ?? base;
    const group = groups.get(from);
    if (group === undefined) groups.set(from, [id]);
    else group.push(id);
  }
  const then = new Map([...now].filter(([id]) => !moved.has(id)));
  for (const [from, ids] of groups) {
    const own = new Set(ids.map(kindOf));
    const offsets = [
      ...rows.filter(({ offset, kind }) => offset > from && own.has(kind)),
      ...documentRows.filter(({ offset }) => offset > from && offset <= reads.at),
    ]
      .map(({ offset }) => offset)
      .sort((a, b) => a - b);
    const state = reads.scratch();
    const before = shardsOf(ids.flatMap((id) => images.get(id)?.record ?? []));
    if (before !== undefined) state.endpoints.load(service, before);
    const policy = documentRows.length === 0 ? undefined : await policyAt(from);
    if (policy !== undefined) state.policies.load(subjects.document, policy);
    const wanted = new Set(ids);
    foldInto(state, offsets, await reads.read(offsets), (event) => {
      if (event.subject === subjects.policy) return event;
      const isOwn = event.subject.startsWith(`${subjects.endpoints}/`) && wanted.has(idOf(event) ?? '');
      return isOwn ? decided(event) : undefined;
    });
    const after = state.endpoints.get(service);
    for (const id of ids) {
      const record = after?.get(id);
      if (record !== undefined) then.set(id, record);
    }
  }
  return shardsOf(then.values());
};
