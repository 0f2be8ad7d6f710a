/** Takes a checkpoint as the beginning of a state that is made anew. */
import { existsSync } from 'node:fs';
import type { EventLog } from '../../log/index.ts';
import { TendrilError } from '../../model/index.ts';
import type { EntityChange } from '../changes.ts';
import { FOLD_VERSION } from '../fold/index.ts';
import type { FoldRun } from '../fold-run.ts';
import { Slab } from '../slab.ts';
import { FRAMED_BYTES_AT, FRAMED_TERM_AT, frameEntity } from '../state-hash.ts';
import type { StateStore } from '../state-store.ts';
import { nextTurn } from '../turns.ts';
import { requireCounts, requireFit, requireHash, tailOf } from './check.ts';
import { readSnapshotFile } from './checkpoint.ts';
import { corrupt, decodeHeader, KINDS, type SnapshotHeader, type StatePart } from './format.ts';
import { readFrames } from './read.ts';
import { decodeRows } from './rows.ts';
import { BaseImages, putRow, RowWriter } from './state-rows.ts';

/** Entities of a checkpoint, proven by its hash: for whoever stores nothing. */
export interface CheckpointTarget {
  readonly run: FoldRun;
  /** Told each entity, framed as it is stored. */
  readonly onEntity?: (key: string, framed: Buffer) => void;
  /** Told each idempotency pack and proof. */
  readonly onRow?: (
    part: 'idempotency' | 'proof',
    key: number | readonly number[],
    value: Buffer,
  ) => Promise<void> | void;
}

/**
 * Loads the checkpoint at `path` into a run that has folded nothing.
 * @throws TendrilError `CHECKPOINT_UNUSABLE` with what is wrong with it
 */
export const loadCheckpoint = async (path: string, mesh: string, target: CheckpointTarget): Promise<SnapshotHeader> => {
  try {
    return await load(path, mesh, target);
  } catch (error) {
    if (!(error instanceof TendrilError) || error.code === 'DATA_FROM_NEWER_VERSION') throw error;
    throw new TendrilError('CHECKPOINT_UNUSABLE', `${path} cannot be used: ${error.message}`, {
      remedy: 'tendril recover --data DIR --from URL|FILE   (a replica, or a snapshot)',
      cause: error,
    });
  }
};

const load = async (path: string, mesh: string, target: CheckpointTarget): Promise<SnapshotHeader> => {
  const { run } = target;
  const counts = new Map<StatePart, number>();
  const packs: { readonly last: number; readonly bytes: Buffer }[] = [];
  let header: SnapshotHeader | undefined;
  for await (const { kind, body } of readFrames(readSnapshotFile(path))) {
    if (header === undefined) {
      header = decodeHeader(body);
      requireFit(header, mesh);
      continue;
    }
    if (kind === KINDS.tail) continue;
    const part = kind === KINDS.entity ? 'entity' : kind === KINDS.proof ? 'proof' : 'idempotency';
    const slab = new Slab();
    for (const { key, value } of decodeRows(body)) {
      counts.set(part, (counts.get(part) ?? 0) + 1);
      if (part !== 'entity') {
        const bytes = Buffer.from(value);
        if (part === 'idempotency') packs.push({ last: (key as readonly number[])[1] ?? 0, bytes });
        await target.onRow?.(part, key as number | readonly number[], bytes);
        continue;
      }
      if (typeof key !== 'string' || run.terms.has(key)) throw corrupt(`entity ${String(key)} twice`);
      const framed = frameEntity(key, value, slab);
      run.fold.load(key, framed.subarray(FRAMED_BYTES_AT));
      run.terms.set(key, framed, FRAMED_TERM_AT);
      target.onEntity?.(key, framed);
    }
    await nextTurn();
  }
  if (header === undefined) throw corrupt('it is empty');
  requireCounts(header, counts);
  requireHash('state hash', header.hash, run.terms.hash.hex());
  const { offset, recordedAt, chain, tail, foldVersion } = header;
  for (const { bytes } of packs.sort((a, b) => a.last - b.last)) run.fold.loadIdempotency(bytes);
  run.fold.loaded(offset, recordedAt);
  run.resume(Buffer.from(chain, 'hex'), tail, foldVersion === FOLD_VERSION ? header.base : { offset, foldVersion });
  return header;
};

const gap = (first: number, found: string): TendrilError =>
  new TendrilError(
    'LOG_GAP',
    `${first === 2 ? 'event 1 is' : `events 1 to ${first - 1} are`} needed, but the log begins at ${first}, and ${found}`,
    {
      remedy: 'tendril recover --data DIR --from URL|FILE   (a replica, or a snapshot)',
    },
  );

/**
 * Begins a rebuild: from the first event where the log has it, else from the checkpoint. What belongs to the store (but for entities,
 * which are added to `entities`) is written at once. Gives the offset up to which the run is folded then.
 * @throws TendrilError `LOG_GAP`, `CHECKPOINT_UNUSABLE`, `STATE_OF_ANOTHER_LOG`
 */
export const beginFromCheckpoint = async (
  options: { readonly log: EventLog; readonly mesh: string; readonly checkpoint?: string },
  store: StateStore,
  run: FoldRun,
  entities: Map<string, EntityChange>,
): Promise<number> => {
  const { first } = options.log.head();
  if (first <= 1) return 0;
  const { checkpoint } = options;
  if (checkpoint === undefined || !existsSync(checkpoint)) throw gap(first, 'there is no checkpoint');
  const writer = new RowWriter(store.environment);
  const header = await loadCheckpoint(checkpoint, options.mesh, {
    run,
    onEntity: (key, framed) => entities.set(key, Buffer.concat([framed])),
    onRow: (part, key, value) => {
      putRow(writer, store.tables, part, key, value);
      return writer.isFull ? writer.flush() : undefined;
    },
  });
  await requireOfLog(options.log, header);
  const images = new BaseImages(store.tables, header.offset);
  for (const [key, framed] of entities) {
    if (framed !== undefined) images.add(writer, key, framed.subarray(FRAMED_BYTES_AT));
    if (writer.isFull) await writer.flush();
  }
  await writer.flush((batch) => images.finish(batch));
  // What was written above is what the store goes on from; the fold has it.
  for (const _ of store.loadPacks());
  return header.offset;
};

/** The checkpoint joins the log, and is of this log. @throws TendrilError `LOG_GAP`, `STATE_OF_ANOTHER_LOG`. */
export const requireOfLog = async (
  log: Pick<EventLog, 'head' | 'read'>,
  { offset, chain, tail }: SnapshotHeader,
): Promise<void> => {
  const { first, offset: last, base } = log.head();
  if (offset + 1 < first) throw gap(first, `the checkpoint stands at ${offset}`);
  let isSame = offset <= last && (base?.offset !== offset || base.chain === chain);
  if (offset >= first && offset <= last)
    for await (const [record] of log.read({ from: offset, maxBatch: 1 })) {
      isSame = record !== undefined && tailOf(record.bytes) === tail;
      break;
    }
  if (isSame) return;
  throw new TendrilError('STATE_OF_ANOTHER_LOG', `the checkpoint at offset ${offset} is of another log`, {
    remedy: 'tendril recover --data DIR --from URL|FILE   (a replica, or a snapshot)',
  });
};
