/** What each event of an entity changed, whom that reached, and what became of it: rows of a history, told further. */
import { canonicalJson } from '../model/index.ts';
import { type Change, changeOf } from './change.ts';
import type { AdminPorts, LogRecordView } from './ports.ts';
import type { Reach } from './reach.ts';

/** What a row of a history needs to be told. */
export interface HistoryEvent {
  readonly record: LogRecordView;
  readonly status: string;
  readonly code?: string;
}

export interface ToldEvent extends Change {
  /** `applied`, `rejected E301`, `quarantined …`, `duplicate`, `refused by <node>`, `rolled back by <offset>`. */
  readonly result: string;
  readonly reached?: { readonly sidecars: number; readonly acknowledged: number; readonly ms?: number };
}

const NOTHING: Change = { change: 'unchanged', patch: [], lines: [] };

/** An event of a batch changes what the whole batch does. */
const rangeOf = ({ offset, event }: LogRecordView): { readonly from: number; readonly to: number } => {
  const batch = event?.batch;
  if (batch === undefined) return { from: offset - 1, to: offset };
  return { from: offset - batch.index - 1, to: offset + batch.size - 1 - batch.index };
};

interface Refusal {
  readonly node: string;
}

/** Refusals that later events tell of, by the offset of the version that was refused. */
const refusalsIn = (events: readonly HistoryEvent[]): ReadonlyMap<number, Refusal> => {
  const refusals = new Map<number, Refusal>();
  for (const { record } of events) {
    if (record.event?.type !== 'policy.refused') continue;
    const { offset, node } = record.event.data as { readonly offset: number; readonly node: string };
    refusals.set(offset, { node });
  }
  return refusals;
};

/**
 * By offset.
 * @param events newest first
 * @param reach told for events that were applied, where the ledger reaches
 */
export const toldEvents = async (
  ports: Pick<AdminPorts, 'past'>,
  subject: string,
  events: readonly HistoryEvent[],
  reach: Reach | undefined,
): Promise<ReadonlyMap<number, ToldEvent>> => {
  const refusals = refusalsIn(events);
  const told = new Map<number, ToldEvent>();
  /** What the entity was after later events, by content: an earlier event that is followed by its own outcome was taken back. */
  const applied: { readonly offset: number; readonly after: string }[] = [];
  let until = Number.POSITIVE_INFINITY;
  for (const { record, status, code } of events) {
    const { offset } = record;
    if (status !== 'applied') {
      const result = code === undefined || status === 'duplicate' ? status : `${status} ${code}`;
      told.set(offset, { ...NOTHING, result });
      continue;
    }
    if (record.event?.type === 'policy.refused') continue;
    const { entities } = await ports.past.diff({ ...rangeOf(record), limit: 1, subject });
    const [entity] = entities;
    const change = entity === undefined ? NOTHING : changeOf(entity.before, entity.after);
    const before = canonicalJson(entity?.before ?? {});
    const refusal = refusals.get(offset);
    // The state before this event came back with a later one: what came in between is undone.
    const back = entity?.before === undefined ? undefined : applied.findLast(({ after }) => after === before)?.offset;
    const reached = reach?.(offset, until, record.recordedAt);
    told.set(offset, {
      ...change,
      result:
        refusal !== undefined
          ? `refused by ${refusal.node}`
          : back !== undefined
            ? `rolled back by ${back}`
            : 'applied',
      ...(reached === undefined ? {} : { reached }),
    });
    if (entity !== undefined) applied.push({ offset, after: canonicalJson(entity.after ?? {}) });
    until = offset;
  }
  return told;
};
