/**
 * Makes the state anew from the log, or from the checkpoint and the log behind it. Workers go on reading the state they have: nothing they read is touched before the end, and
 * resources whose bytes come out the same stay as they are.
 */
import type { EntityChange } from './changes.ts';
import type { Head } from './head.ts';
import type { Opened } from './opening.ts';
import { allEndpoints, createDeriver, createRun, headOf, type PartOptions } from './parts.ts';
import { Progress } from './progress.ts';
import { beginFromCheckpoint } from './snapshot/index.ts';
import type { StateStore } from './state-store.ts';
import { inSlices, nextTurn } from './turns.ts';

/** Events between two writes of what nobody reads yet. */
const SPOOL_EVENTS = 16_384;
const RECORDS_PER_TURN = 1024;
export const UNITS_PER_TURN = 64;

/** For a state that is complete. */
export function* nothingLeft(): Generator<void> {}

/** @param before what is published now, if anything */
export const rebuild = async (
  store: StateStore,
  options: PartOptions,
  why: string,
  before: Head | undefined,
): Promise<Opened> => {
  const { log, logger } = options;
  const { offset: end, first } = log.head();
  const isLong = end > SPOOL_EVENTS || first > 1;
  if (before !== undefined || isLong)
    logger?.warn({ why, events: end - first + 1 }, 'the state is made anew from the log');
  await store.beginRebuild(why);
  const run = createRun(options);
  const deriver = createDeriver(run.fold, store, logger);
  const entities = new Map<string, EntityChange>();
  const begun = await beginFromCheckpoint(options, store, run, entities);
  if (begun > 0) logger?.info({ offset: begun }, 'the checkpoint is loaded; the log goes on from there');
  const progress = new Progress(options, 'making the state anew', begun);

  const collect = () => {
    const folded = run.take();
    for (const [key, entity] of folded.entities) {
      if (entity === undefined) entities.delete(key);
      // A copy: its neighbours in the slab are about to be replaced.
      else entities.set(key, Buffer.concat([entity]));
    }
    folded.entities.clear();
    return folded;
  };

  for await (const records of log.read({ from: begun + 1, maxBatch: RECORDS_PER_TURN })) {
    for (const record of records) run.apply(record);
    progress.at(run.read, log.head().offset);
    if (run.events >= SPOOL_EVENTS) await store.spoolRebuild(collect(), run.read);
    await nextTurn();
  }
  const folded = collect();
  deriver.loaded();
  const derived = await inSlices(deriver.deriveAll(allEndpoints(run), store), UNITS_PER_TURN);
  const head: Head = {
    ...headOf(run, (before?.epoch ?? 0) + 1, options.derivation),
    sharedBytes: deriver.resources.sharedBytes,
  };
  const everything = before === undefined;
  await store.endRebuild({ folded, derived, head, everything }, entities);
  if (before !== undefined || isLong) {
    logger?.info(
      { offset: head.offset, entities: entities.size, changedResources: derived.resources.size },
      'the state is made anew',
    );
  }
  return { run, deriver, head, rest: nothingLeft() };
};
