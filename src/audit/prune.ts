/** Which segments are removed: whole ones, from the oldest on, never the one that is being written. */
import { rmSync } from 'node:fs';
import type { ChainPoint } from './chain.ts';
import { parseHeader, type Segment, segmentLines } from './segments.ts';

export interface PruneLimits {
  /** Segments with no entry from this time on may go, ms since the epoch. */
  readonly before: number;
  /** What all segments may have together. */
  readonly maxBytes: number;
}

export interface Pruned {
  /** Behind the last entry that goes. */
  readonly base: ChainPoint;
  readonly segments: number;
  readonly entries: number;
  /** To be called once `base` is on the disk. */
  remove(): void;
}

/** How many segments go. A segment ends where the next one begins. */
export const countPruned = (segments: readonly Segment[], limits: PruneLimits): number => {
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  let count = 0;
  for (const [index, segment] of segments.entries()) {
    const next = segments[index + 1];
    if (next === undefined || (next.since >= limits.before && bytes <= limits.maxBytes)) break;
    bytes -= segment.bytes;
    count++;
  }
  return count;
};

/** Undefined: nothing goes, also when the segment behind cannot be read: its header holds the chain that goes on. */
export const prune = async (segments: readonly Segment[], limits: PruneLimits): Promise<Pruned | undefined> => {
  const count = countPruned(segments, limits);
  const next = segments[count];
  if (count === 0 || next === undefined) return undefined;
  for await (const { lines } of segmentLines(next.path, next.bytes)) {
    const header = parseHeader(lines[0] ?? '');
    if (header === undefined) return undefined;
    const gone = segments.slice(0, count);
    return {
      base: { seq: next.first - 1, chain: header.previous },
      segments: count,
      entries: next.first - (gone[0]?.first ?? next.first),
      remove: () => {
        for (const { path } of gone) rmSync(path, { force: true });
      },
    };
  }
  return undefined;
};
