/** The projector as ingest sees it: outcomes of what was just appended, and when all xDS streams see it. */
import type { FoldPort } from '../ingest/index.ts';
import type { Notice, Projector } from '../projector/index.ts';
import type { WorkerRegistry } from './worker-registry.ts';

/** The notice that holds `offset`, or undefined when `timeoutMs` runs out first. Rejects when the projector has stopped. */
export const settled = async (projector: Projector, offset: number, timeoutMs: number): Promise<Notice | undefined> => {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  try {
    return await projector.waitFor(offset, abort.signal);
  } catch (error) {
    if (abort.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
};

export const foldPort = (projector: Projector, registry: WorkerRegistry, clock: () => number): FoldPort => ({
  outcomes: async (offsets, timeoutMs) => {
    const last = offsets.at(-1);
    if (last === undefined) return [];
    return (await settled(projector, last, timeoutMs)) === undefined ? undefined : projector.outcomesOf(offsets);
  },
  visible: async (offset, timeoutMs) => {
    const start = clock();
    const notice = await settled(projector, offset, timeoutMs);
    return notice !== undefined && registry.applied(notice.epoch, Math.max(1, timeoutMs - (clock() - start)));
  },
  lag: () => projector.lag(),
});
