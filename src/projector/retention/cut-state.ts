/** The history of the state loses its beginning: at the checkpoint every entity gets an image, and what was before goes. */
import type { Table, TableKey } from '../../store/index.ts';
import { BaseImages, historyFromOf, RowWriter, readEntities, type SnapshotHeader } from '../snapshot/index.ts';
import type { StateStore } from '../state-store.ts';
import type { StateTables } from '../state-tables.ts';
import { nextTurn } from '../turns.ts';

const KEYS_PER_TURN = 4_096;

/** Does nothing when the history begins there already. */
export const cutHistory = async (store: StateStore, path: string, { offset }: SnapshotHeader): Promise<void> => {
  const { tables, environment } = store;
  if (historyFromOf(tables) >= offset) return;
  const writer = new RowWriter(environment);
  const images = new BaseImages(tables, offset);
  for await (const entities of readEntities(path)) {
    for (const { key, value } of entities) {
      images.add(writer, key, value);
      if (writer.isFull) await writer.flush();
    }
    await writer.flush();
    await nextTurn();
  }
  await store.cutHistory(offset, (batch) => images.finish(batch));
};

const firstKey = <K extends TableKey>(table: Table<K>): K | undefined => {
  for (const key of table.keys({ limit: 1 })) return key;
  return undefined;
};

/** Offset-keyed tables whose rows speak of events; proofs stay up to the checkpoint's. */
const rowsBefore = (tables: StateTables) =>
  [
    { table: tables.outcome, end: (offset: number) => offset + 1 },
    { table: tables.quarantine, end: (offset: number) => offset + 1 },
    { table: tables.proof, end: (offset: number) => offset },
    { table: tables.count, end: (offset: number) => offset },
  ] as const;

/** True when `cutRows` would find something. */
export const hasRowsBefore = (tables: StateTables, offset: number): boolean =>
  (firstKey(tables.image)?.[0] ?? offset) < offset ||
  rowsBefore(tables).some(({ table, end }) => (firstKey(table) ?? end(offset)) < end(offset));

/** Does one commit; false: nothing may be removed now. */
type Remove = (commit: () => Promise<void>) => Promise<boolean>;

/** Removes outcomes, proofs and images from before `offset`, in bounded commits. False: it ended before all of them were gone. */
export const cutRows = async (store: StateStore, offset: number, remove: Remove): Promise<boolean> => {
  const { tables } = store;
  for (const { table, end } of rowsBefore(tables))
    if (!(await removeBefore(store, table, end(offset), remove))) return false;
  return removeBefore(store, tables.image, [offset, 0], remove);
};

const removeBefore = async <K extends TableKey>(
  store: StateStore,
  table: Table<K>,
  end: K,
  remove: Remove,
): Promise<boolean> => {
  for (;;) {
    store.environment.refresh();
    const keys = [...table.keys({ end, limit: KEYS_PER_TURN })];
    if (keys.length === 0) return true;
    const commit = (): Promise<void> =>
      store.environment.commit((batch) => {
        for (const key of keys) batch.remove(table, key);
      });
    if (!(await remove(commit))) return false;
    await nextTurn();
  }
};
