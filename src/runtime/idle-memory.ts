/**
 * Gives memory back after a burst. V8 collects the old generation only when it has grown further, and never makes the young one smaller
 * while anything is allocated: after a mesh was loaded, or ten thousand sidecars came, a process that has little to do keeps twice to
 * three times what it uses, for as long as it lives. So in a quiet moment V8 is told that memory is low, by the way that its own
 * inspector has for it: it collects all there is to collect, makes the young generation as small as it was at the start, and unmaps what
 * is free at once. A full collection by `gc()` did the first only (core of 1,000 services: 154 MB, against 80).
 *
 * Invariants of `decide` (cited in the tests):
 *  M1 Never while the event loop was busy for more than `BUSY` of the last interval.
 *  M2 Never with more than `MOST_USED` in use: a collection stops the process for 2 to 3 ms per MB of it.
 *  M3 Only when what is committed is well above what is used, or was used after the last one.
 *  M4 At most three in a row; then not before the committed memory has grown by `GROWTH`.
 */
import { performance } from 'node:perf_hooks';

export interface MemoryFacts {
  /** Share of the last interval in which the event loop was busy, 0 to 1. */
  readonly busy: number;
  /** Heap in use, and taken from the system, bytes. */
  readonly used: number;
  readonly committed: number;
}

export interface MemoryState {
  /** Collections since the committed memory last grew. */
  readonly inRow: number;
  /** Committed when the last row ended, bytes. */
  readonly committed: number;
}

export const FRESH: MemoryState = { inRow: 0, committed: 0 };

const MIB = 1024 * 1024;
const BUSY = 0.2;
const MOST_USED = 128 * MIB;
const GROWTH = 16 * MIB;
const ROW = 3;
/** Interval between two looks, ms. */
const LOOK_MS = 10_000;

export const decide = (
  state: MemoryState,
  facts: MemoryFacts,
): { readonly collect: boolean; readonly state: MemoryState } => {
  const { busy, used, committed } = facts;
  const stay = (next: MemoryState = state) => ({ collect: false, state: next });
  if (state.inRow >= ROW) {
    // What the row gave back comes some seconds after it.
    const lowest = Math.min(state.committed, committed);
    if (committed - lowest < GROWTH) return stay({ inRow: ROW, committed: lowest });
    return stay(FRESH);
  }
  if (busy > BUSY || used > MOST_USED) return stay();
  // The first one finds out how much of it is used; the second one is due as long as there is something to give back.
  if (committed - (state.inRow === 0 ? 0 : used) < GROWTH) return stay();
  return { collect: true, state: { inRow: state.inRow + 1, committed } };
};

/** Tells V8 that memory is low; `done` when it has collected. Undefined: this Node was built without its inspector. */
export const lowMemory = async (): Promise<((done: () => void) => void) | undefined> => {
  if (!process.features.inspector) return undefined;
  const { Session } = await import('node:inspector');
  return (done) => {
    const session = new Session();
    session.connect();
    session.post('HeapProfiler.collectGarbage', () => {
      // Later: a session that is ended inside its own answer waits for itself, for ever (Node 20.20).
      setImmediate(() => {
        session.disconnect();
        done();
      });
    });
  };
};

/** Looks every ten seconds for as long as the process lives. */
export const giveBackWhenQuiet = async (
  onCollected: (facts: MemoryFacts & { readonly ms: number }) => void,
): Promise<void> => {
  const collect = await lowMemory();
  if (collect === undefined) return;
  let state = FRESH;
  let last = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const busy = performance.eventLoopUtilization(now, last).utilization;
    last = now;
    const { heapUsed: used, heapTotal: committed } = process.memoryUsage();
    const facts = { busy, used, committed };
    const decided = decide(state, facts);
    state = decided.state;
    if (!decided.collect) return;
    const from = performance.now();
    collect(() => {
      onCollected({ ...facts, ms: performance.now() - from });
      // Its own pause is no sign of work.
      last = performance.eventLoopUtilization();
    });
  };
  setInterval(look, LOOK_MS).unref();
};
