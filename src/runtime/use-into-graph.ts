/** Reported uses become evidence in the graph: the first use of an edge is an event, as far as the graph does not know it. */
import type { LearnedEdges } from '../ingest/index.ts';
import type { UseReport } from './messages.ts';

/** True when all of it is in the log, or was known. */
export const useIntoGraph = async (
  learned: Pick<LearnedEdges, 'report' | 'settled' | 'counters'>,
  { uses }: UseReport,
): Promise<boolean> => {
  learned.report(uses.map(({ from, to, node }) => ({ from, to, node, evidence: 'observed' as const })));
  await learned.settled();
  return learned.counters.pending === 0;
};
