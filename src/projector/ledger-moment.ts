/** What a node held at a moment, out of the steps that the ledger has of it. */
import { type LedgerStep, rowOf, stepsUpTo } from './ledger-ring.ts';
import type { LedgerMoment } from './types.ts';

export type ResourceKey = [node: string, type: string, name: string];

export interface Ring {
  readonly key: ResourceKey;
  /** Oldest first. */
  readonly steps: readonly LedgerStep[];
}

/** @param at ms since the epoch */
export const momentOf = (rings: readonly Ring[], at: number): Pick<LedgerMoment, 'rows' | 'forgotten'> => {
  const rows: LedgerMoment['rows'][number][] = [];
  const forgotten: LedgerMoment['forgotten'][number][] = [];
  for (const { key, steps } of rings) {
    const [, type, name] = key;
    const then = stepsUpTo(steps, at);
    const row = then === undefined ? undefined : rowOf(type, name, then);
    if (then === undefined) forgotten.push({ type, name });
    // A removal has no version, also once it is acknowledged.
    if (then === undefined || row === undefined || row.version === '') continue;
    const acked = then.findLast(({ event }) => event === 'acked')?.version;
    const removed = then.findLastIndex(({ version }) => version === '');
    const isSince = then.findLastIndex(({ event }) => event === 'acked') > removed;
    rows.push({ ...row, ...(acked === undefined || !isSince ? {} : { acked }) });
  }
  return { rows, forgotten };
};
