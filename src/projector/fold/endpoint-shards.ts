/**
 * Endpoints of one service as a persistent, ordered list of blocks (design.md section 6: packed shards).
 *
 * Up to 64 endpoints are one block, kept as plain objects while the service is in use. Larger services have many blocks, split
 * and merged like the leaves of a B-tree; between drains these are packed, and only what is touched is decoded.
 *
 * Invariants:
 * 1. Ids ascend inside a block and from block to block; an id belongs to the last block that starts at or before it.
 * 2. A block has 1..64 records: one more splits it in halves, two neighbours of 48 or less together become one. So 48
 *    endpoints are always one block, and the layout follows from the blocks and the change alone: the same on every replica.
 * 3. Blocks are immutable but for caches. `view` is another object exactly when a served field of the block differs.
 * 4. Block numbers are unique in a service; a new block takes the highest number + 1. The one with the smaller number stays
 *    when two merge.
 */
import type { EndpointBlock } from '../../compile/index.ts';
import { Block } from './endpoint-block.ts';
import type { EndpointRecord } from './endpoint-record.ts';
import { type EndpointTemplate, withCandidate } from './endpoint-template.ts';

export const MAX_BLOCK = 64;
export const MERGE_BLOCKS = 48;

/** Index of `id` in records, or -(place to insert) - 1. */
const search = (records: readonly EndpointRecord[], id: string): number => {
  let low = 0;
  let high = records.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = records[middle]?.id ?? '';
    if (found === id) return middle;
    if (found < id) low = middle + 1;
    else high = middle - 1;
  }
  return -low - 1;
};

/** A copy with one more. (`splice` on a copy would allocate twice, and a mesh that is loaded does this for every endpoint.) */
const inserted = (records: readonly EndpointRecord[], at: number, record: EndpointRecord): EndpointRecord[] => {
  if (at === records.length) return [...records, record];
  const copy: EndpointRecord[] = new Array(records.length + 1);
  for (let index = 0; index < at; index += 1) copy[index] = records[index] as EndpointRecord;
  copy[at] = record;
  for (let index = at; index < records.length; index += 1) copy[index + 1] = records[index] as EndpointRecord;
  return copy;
};

export class EndpointShards {
  readonly blocks: readonly Block[];
  readonly count: number;
  /** Likely templates of the next endpoint; a cache, no part of the content. */
  readonly templates: readonly EndpointTemplate[];

  private constructor(blocks: readonly Block[], count: number, templates: readonly EndpointTemplate[]) {
    this.blocks = blocks;
    this.count = count;
    this.templates = templates;
  }

  static readonly empty = new EndpointShards([], 0, []);

  /** Of stored blocks, in any order. */
  static of(blocks: readonly Block[]): EndpointShards {
    const inOrder = blocks.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
    return new EndpointShards(
      inOrder,
      inOrder.reduce((sum, block) => sum + block.size, 0),
      [],
    );
  }

  /** More than one block: packed between drains. */
  get isLarge(): boolean {
    return this.blocks.length > 1;
  }

  /** What compile reads; identities as of invariant 3. */
  get views(): readonly EndpointBlock[] {
    return this.blocks.map((block) => block.view);
  }

  get(id: string): EndpointRecord | undefined {
    const records = this.blocks[this.blockOf(id)]?.records();
    return records?.[search(records, id)];
  }

  /** As `get`, without keeping what had to be decoded. */
  peek(id: string): EndpointRecord | undefined {
    const records = this.blocks[this.blockOf(id)]?.peek();
    return records?.[search(records, id)];
  }

  /** All records in order, without keeping what had to be decoded. */
  *records(): Iterable<EndpointRecord> {
    for (const block of this.blocks) yield* block.peek();
  }

  /**
   * With this record in place of the one with its id, or beside the others.
   * @param known the record with that id, where the caller has it: found by identity, without looking at ids
   */
  with(record: EndpointRecord, known?: EndpointRecord): EndpointShards {
    const at = this.blockOf(record.id);
    const block = this.blocks[at];
    const template = record.facets[0]?.template;
    const templates = template === undefined ? this.templates : withCandidate(this.templates, template);
    if (block === undefined) return new EndpointShards([Block.of(0, [record])], 1, templates);
    const before = block.records();
    const index = known === undefined ? search(before, record.id) : before.indexOf(known);
    if (index >= 0) {
      const records = before.slice();
      records[index] = record;
      const isSame = before[index]?.view === record.view;
      return this.replaced(at, 1, [isSame ? block.unchanged(records) : Block.of(block.number, records)], 0, templates);
    }
    const records = inserted(before, -index - 1, record);
    if (records.length <= MAX_BLOCK) return this.replaced(at, 1, [Block.of(block.number, records)], 1, templates);
    const half = records.length >>> 1;
    const halves = [Block.of(block.number, records.slice(0, half)), Block.of(this.nextNumber(), records.slice(half))];
    return this.replaced(at, 1, halves, 1, templates);
  }

  /** Without the record of this id (the same object when there is none). */
  without(id: string): EndpointShards {
    const at = this.blockOf(id);
    const block = this.blocks[at];
    if (block === undefined) return this;
    const before = block.records();
    const index = search(before, id);
    if (index < 0) return this;
    const records = before.slice();
    records.splice(index, 1);
    for (const neighbour of [at - 1, at + 1]) {
      const other = this.blocks[neighbour];
      if (other === undefined || other.size + records.length > MERGE_BLOCKS) continue;
      const joined = neighbour < at ? [...other.records(), ...records] : [...records, ...other.records()];
      const number = Math.min(other.number, block.number);
      return this.replaced(Math.min(at, neighbour), 2, [Block.of(number, joined)], -1);
    }
    return this.replaced(at, 1, records.length === 0 ? [] : [Block.of(block.number, records)], -1);
  }

  /** Index of the block that `id` belongs to (invariant 1). */
  private blockOf(id: string): number {
    const { blocks } = this;
    let low = 0;
    let high = blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((blocks[middle]?.first ?? '') <= id) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private nextNumber(): number {
    return this.blocks.reduce((highest, block) => Math.max(highest, block.number), -1) + 1;
  }

  private replaced(
    at: number,
    remove: number,
    insert: readonly Block[],
    added: number,
    templates = this.templates,
  ): EndpointShards {
    if (this.blocks.length === 1 && remove === 1) return new EndpointShards(insert, this.count + added, templates);
    const blocks = this.blocks.slice();
    blocks.splice(at, remove, ...insert);
    return new EndpointShards(blocks, this.count + added, templates);
  }
}
