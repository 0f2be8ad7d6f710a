/**
 * From the stored state to a running one: loads it, or makes it anew from the log.
 *
 * Invariants
 * O1 A state is used only if it belongs to this log: the log reaches at least as far, and its record at the state's offset is the
 *    one that was folded. A log that ends before the state, or is another one, is refused: events that were acknowledged would
 *    silently be gone. One that ends before the log begins is made anew from the checkpoint, where there is one.
 * O2 A state is used only if its entities add up to the state hash that was stored with it, and fold version and schema are ours.
 *    Otherwise it is made anew, and says why.
 * O3 The same entities compiled by another version of the software are derived again; equal bytes stay untouched.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { TendrilError } from '../model/index.ts';
import { FoldedChanges } from './changes.ts';
import type { Deriver } from './deriver.ts';
import { FOLD_VERSION } from './fold/index.ts';
import type { FoldRun } from './fold-run.ts';
import type { Head } from './head.ts';
import { allEndpoints, createDeriver, createRun, type PartOptions } from './parts.ts';
import { nothingLeft, rebuild, UNITS_PER_TURN } from './rebuild.ts';
import type { StateStore } from './state-store.ts';
import { inSlices, nextTurn } from './turns.ts';

/** A state that stands at `head`. */
export interface Opened {
  readonly run: FoldRun;
  readonly deriver: Deriver;
  readonly head: Head;
  /**
   * What is left to load before the first event is folded, and nobody needs for reading: idempotency entries, reads of compile
   * units. Yields often.
   */
  readonly rest: Generator<void>;
}

/** Codes after which the stored state is made anew. */
export const REBUILT_AFTER: ReadonlySet<string> = new Set(['CORRUPT_RECORD', 'STATE_UNREADABLE']);

/** @throws TendrilError `STATE_AHEAD_OF_LOG`, `STATE_OF_ANOTHER_LOG`, `LOG_GAP`, and whatever log and store throw. */
export const openState = async (store: StateStore, options: PartOptions): Promise<Opened> => {
  const head = readHead(store);
  if (typeof head === 'string') return rebuild(store, options, head, undefined);
  const behind = head === undefined ? undefined : await requireSameLog(store, options, head);
  const why = behind ?? whyRebuild(store, head);
  if (why !== undefined || head === undefined) return rebuild(store, options, why ?? 'there is no state yet', head);
  const run = load(store, options, head);
  if (typeof run === 'string') return rebuild(store, options, run, head);
  return head.derivation === options.derivation
    ? resume(store, options, run, head)
    : deriveAgain(store, options, run, head);
};

const readHead = (store: StateStore): Head | string | undefined => {
  try {
    return store.head();
  } catch (error) {
    return requireRebuildable(error);
  }
};

/** Why the state is made anew; throws what a rebuild does not heal. */
const requireRebuildable = (error: unknown): string => {
  if (error instanceof TendrilError && REBUILT_AFTER.has(error.code)) return error.message;
  throw error;
};

/** Undefined: the stored state may be used (O2). */
const whyRebuild = (store: StateStore, head: Head | undefined): string | undefined => {
  const unfinished = store.rebuildReason();
  if (head === undefined) return store.environment.opened.emptied ?? unfinished;
  if (unfinished !== undefined) return `an earlier rebuild was interrupted (${unfinished})`;
  if (head.foldVersion === FOLD_VERSION) return undefined;
  return `it was folded by version ${head.foldVersion} of the fold, this is version ${FOLD_VERSION}`;
};

const gap = (wanted: number, first: number): TendrilError => {
  const missing = first - 1 === wanted ? `event ${wanted} is` : `events ${wanted} to ${first - 1} are`;
  return new TendrilError('LOG_GAP', `${missing} needed, but the log begins at ${first}`, {
    remedy: 'tendril recover --data DIR --from URL|FILE   (a replica, or a snapshot)',
  });
};

/** O1. A text says why the state is of no use, and may be made anew. */
const requireSameLog = async (store: StateStore, options: PartOptions, head: Head): Promise<string | undefined> => {
  const { log, checkpoint } = options;
  const { offset, first, base } = log.head();
  const { path } = store.environment;
  const remedy = `restore the log that belongs to it; or, to go on with this log and lose what the state knows beyond it, remove ${path}`;
  if (offset < head.offset) {
    const message = `${path} stands at offset ${head.offset}, but the log ends at ${offset}: events that were acknowledged are missing`;
    throw new TendrilError('STATE_AHEAD_OF_LOG', message, { remedy });
  }
  if (head.offset + 1 < first) {
    if (checkpoint === undefined || !existsSync(checkpoint)) throw gap(head.offset + 1, first);
    return `it ends at offset ${head.offset}, and the log begins at ${first}`;
  }
  if (head.offset < first) {
    if (base === undefined || base.tail === head.tail) return undefined;
    throw foreign(path, head, remedy);
  }
  for await (const [record] of log.read({ from: head.offset, maxBatch: 1 })) {
    if (record === undefined || createHash('sha256').update(record.bytes).digest('hex') === head.tail) return undefined;
    throw foreign(path, head, remedy);
  }
  return undefined;
};

const foreign = (path: string, head: Head, remedy: string): TendrilError => {
  const message = `${path} was folded from another log: event ${head.offset} differs`;
  return new TendrilError('STATE_OF_ANOTHER_LOG', message, { remedy });
};

/** O2; a text says why it cannot be used. */
const load = (store: StateStore, options: PartOptions, head: Head): FoldRun | string => {
  const run = createRun(options);
  try {
    for (const { key, term, bytes } of store.entities()) {
      run.fold.load(key, bytes);
      run.terms.set(key, term);
    }
    if (run.terms.hash.hex() !== head.hash) return 'its entities do not add up to the state hash stored with it';
  } catch (error) {
    return requireRebuildable(error);
  }
  run.fold.loaded(head.offset, head.recordedAt);
  run.resume(Buffer.from(head.chain, 'hex'), head.tail, head.base);
  return run;
};

const resume = (store: StateStore, options: PartOptions, run: FoldRun, head: Head): Opened => {
  const deriver = createDeriver(run.fold, store, options.logger);
  deriver.resources.sharedBytes = head.sharedBytes;
  deriver.loaded();
  return { run, deriver, head, rest: loadRest(store, run, deriver) };
};

/** Damage found here ends the projector, and the next start makes the state anew. */
function* loadRest(store: StateStore, run: FoldRun, deriver: Deriver | undefined): Generator<void> {
  for (const entries of store.loadPacks()) {
    run.fold.loadIdempotency(entries);
    yield;
  }
  if (deriver === undefined) return;
  for (const page of store.storedUnits()) {
    for (const [service, units] of page) deriver.resources.load(service, units);
    yield;
  }
}

/** O3 */
const deriveAgain = async (store: StateStore, options: PartOptions, run: FoldRun, head: Head): Promise<Opened> => {
  const { derivation, logger } = options;
  logger?.info(
    { from: head.derivation, to: derivation },
    'another version compiled these resources; they are derived again',
  );
  const deriver = createDeriver(run.fold, store, logger);
  deriver.loaded();
  for (const _ of loadRest(store, run, undefined)) await nextTurn();
  const derived = await inSlices(deriver.deriveAll(allEndpoints(run), store), UNITS_PER_TURN);
  const { sharedBytes } = deriver.resources;
  const next = { ...head, epoch: head.epoch + 1, derivation, sharedBytes };
  await store.prepare({ folded: new FoldedChanges(), derived, head: next, everything: false })();
  logger?.info({ changed: derived.resources.size }, 'resources are derived again');
  return { run, deriver, head: next, rest: nothingLeft() };
};
