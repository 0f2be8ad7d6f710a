import type { Block } from './endpoint-block.ts';
import type { EndpointRecord } from './endpoint-record.ts';
import type { EndpointShards } from './endpoint-shards.ts';
import type { EndpointChange } from './types.ts';

/** Blocks of `shards` that are not in `others`. */
const blocksOnlyIn = (shards: EndpointShards | undefined, others: EndpointShards | undefined): readonly Block[] => {
  if (shards === undefined) return [];
  if (others === undefined || (shards.blocks.length === 1 && others.blocks.length === 1)) return shards.blocks;
  const known = new Set(others.blocks);
  return shards.blocks.filter((block) => !known.has(block));
};

const recordsOf = (blocks: readonly Block[]): readonly EndpointRecord[] => {
  const [first] = blocks;
  return blocks.length === 1 && first !== undefined ? first.peek() : blocks.flatMap((block) => block.peek());
};

/**
 * Adds `<service>|<id>` of every endpoint whose served content appeared, changed or vanished. True when there was one.
 * Walks only the blocks that differ, both sides in order of id.
 */
export const endpointChanges = (
  service: string,
  before: EndpointShards | undefined,
  after: EndpointShards | undefined,
  into: Map<string, EndpointChange>,
): boolean => {
  const old = recordsOf(blocksOnlyIn(before, after));
  const now = recordsOf(blocksOnlyIn(after, before));
  let changed = false;
  let left = 0;
  let right = 0;
  while (left < old.length || right < now.length) {
    const was = old[left];
    const is = now[right];
    if (was === is) {
      left += 1;
      right += 1;
      continue;
    }
    if (was === undefined || (is !== undefined && is.id < was.id)) {
      into.set(`${service}|${is?.id ?? ''}`, { before: undefined, after: is?.view });
      right += 1;
    } else if (is === undefined || was.id < is.id) {
      into.set(`${service}|${was.id}`, { before: was.view, after: undefined });
      left += 1;
    } else {
      left += 1;
      right += 1;
      if (was.view === is.view) continue;
      into.set(`${service}|${is.id}`, { before: was.view, after: is.view });
    }
    changed = true;
  }
  return changed;
};
