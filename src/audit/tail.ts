/**
 * Where the audit goes on after a start.
 *
 * Invariants
 * T1 An unfinished last line (the process died while it was written) is cut off; whole lines are never removed.
 * T2 The chain goes on behind the last entry that proves itself, or behind `head` where that lies further: what is missing or damaged
 *    between them stays visible, as a gap that `verify` names.
 */
import { truncateSync } from 'node:fs';
import { type ChainPoint, proveLine, startPoint } from './chain.ts';
import type { OffsetRange } from './entry.ts';
import { type AuditHead, parseHeader, type Segment, segmentLines } from './segments.ts';

export interface Tail {
  readonly point: ChainPoint;
  /** The segment to go on with; undefined: a new one is begun. */
  readonly segment: Segment | undefined;
  /** Bytes of an unfinished line that were cut off. */
  readonly cut: number;
  readonly missing: OffsetRange | undefined;
  /** What does not prove itself. */
  readonly damage: string | undefined;
}

interface Proven {
  readonly point: ChainPoint;
  /** Bytes up to the end of the last whole line. */
  readonly whole: number;
  readonly damage: string | undefined;
}

/** Reads a segment through, as far as it proves itself. */
const prove = async (segment: Segment): Promise<Proven> => {
  let point: ChainPoint | undefined;
  let whole = 0;
  let damage: string | undefined;
  for await (const { lines, end } of segmentLines(segment.path, segment.bytes)) {
    whole = end;
    for (const line of lines) {
      if (damage !== undefined) break;
      if (point === undefined) {
        const header = parseHeader(line);
        if (header === undefined) damage = `${segment.path}: its first line is no header`;
        else point = { seq: segment.first - 1, chain: header.previous };
        continue;
      }
      const chain = proveLine(point.chain, line);
      if (chain === undefined) damage = `${segment.path}: entry ${point.seq + 1} does not fit the chain`;
      else point = { seq: point.seq + 1, chain };
    }
  }
  return { point: point ?? { seq: segment.first - 1, chain: '' }, whole, damage };
};

/** `head`: undefined when there is no head file. */
export const findTail = async (segments: readonly Segment[], head: AuditHead | undefined): Promise<Tail> => {
  const sure = head?.head ?? startPoint;
  const last = segments.at(-1);
  if (last === undefined) {
    const base = head?.base ?? startPoint;
    const missing: OffsetRange | undefined = sure.seq > base.seq ? [base.seq + 1, sure.seq] : undefined;
    return { point: sure, segment: undefined, cut: 0, missing, damage: undefined };
  }
  const { point, whole, damage } = await prove(last);
  const cut = last.bytes - whole;
  if (cut > 0) truncateSync(last.path, whole);
  const behind = sure.seq > point.seq;
  const isSound = damage === undefined && !behind && point.chain !== '' && whole > 0;
  return {
    point: behind || point.chain === '' ? sure : point,
    segment: isSound ? { ...last, bytes: whole } : undefined,
    cut,
    missing: behind && damage === undefined ? [point.seq + 1, sure.seq] : undefined,
    damage,
  };
};
