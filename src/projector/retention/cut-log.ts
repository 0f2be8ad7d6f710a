/** The log loses its beginning, in bounded commits; behind each of them its new base is known, so it may end anywhere. */
import type { EventLog, LogBase } from '../../log/index.ts';
import { type SnapshotHeader, tailOf } from '../snapshot/index.ts';
import type { StateTables } from '../state-tables.ts';
import { nextTurn } from '../turns.ts';
import { decodeProof } from '../write-changes.ts';

/** Events of one commit; a multiple of `PROOF_EVERY`, where the chain is on record. */
const STEP = 8_192;

/**
 * Removes the events up to the checkpoint.
 * @param prune false: nothing may be removed now
 * @returns false when it ended before
 */
export const cutLog = async (
  log: Pick<EventLog, 'head' | 'read'>,
  prune: (base: LogBase) => Promise<boolean>,
  tables: StateTables,
  { offset, recordedAt, chain, tail }: SnapshotHeader,
): Promise<boolean> => {
  const from = log.head().first;
  for (let at = Math.ceil(from / STEP) * STEP; at < offset; at += STEP) {
    const base = await baseAt(log, tables, at);
    if (base !== undefined && at >= log.head().first && !(await prune(base))) return false;
    await nextTurn();
  }
  return log.head().first > offset || prune({ offset, recordedAt, chain, tail });
};

const baseAt = async (
  log: Pick<EventLog, 'read'>,
  tables: StateTables,
  offset: number,
): Promise<LogBase | undefined> => {
  const proof = tables.proof.get(offset);
  if (proof === undefined) return undefined;
  for await (const [record] of log.read({ from: offset, maxBatch: 1 })) {
    if (record === undefined) return undefined;
    const { recordedAt, bytes } = record;
    return { offset, recordedAt, chain: decodeProof(offset, proof).chain, tail: tailOf(bytes) };
  }
  return undefined;
};
