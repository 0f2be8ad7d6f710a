/**
 * What retention does next: a pure decision over what is there.
 *
 * Invariants
 * N1 Nothing is removed that the policy wants kept, that the state has not committed, or that is among the last `leastEvents`.
 * N2 Nothing is removed from the log before a checkpoint at or behind its new beginning is in place: the state can always be made anew.
 * N3 A new checkpoint is proven before it takes the place of the old one.
 */

/** What is kept. With both, an event is kept as long as one of them wants it. */
export interface RetentionPolicy {
  /** Number of the last events. */
  readonly events?: number;
  /** Age by `recordedAt`, ms. */
  readonly ms?: number;
}

/** Events that are kept whatever the policy says. */
export const LEAST_EVENTS = 10_000;

export interface RetentionFacts {
  /** Of the committed state. */
  readonly offset: number;
  /** First offset in the log. */
  readonly first: number;
  /** Offset up to which events are too old for the policy (`tooOld`). */
  readonly tooOld: number;
  /** Offsets of the checkpoint in use and of the next one. */
  readonly checkpoint: number | undefined;
  readonly next: number | undefined;
  /** The history in the state still has rows from before the checkpoint in use. */
  readonly hasRest: boolean;
}

export type RetentionStep =
  | 'nothing'
  /** Write the next checkpoint at the newest commit. */
  | 'write'
  /** Prove the next checkpoint, and put it in the place of the one in use. */
  | 'promote'
  /** Remove what is older than the checkpoint in use, from log and history. */
  | 'cut';

/**
 * Offset up to which events may go (N1); 0: none.
 * @param offsetAt last offset recorded at or before a time
 */
export const tooOld = (
  policy: RetentionPolicy,
  offset: number,
  now: number,
  offsetAt: (time: number) => number,
  least: number = LEAST_EVENTS,
): number => {
  const { events, ms } = policy;
  if (events === undefined && ms === undefined) return 0;
  const byNumber = offset - Math.max(least, events ?? 0);
  const byAge = ms === undefined ? Number.POSITIVE_INFINITY : offsetAt(now - ms);
  return Math.max(0, Math.min(byNumber, byAge));
};

export const decideRetention = (facts: RetentionFacts): RetentionStep => {
  const { offset, first, checkpoint, next, hasRest } = facts;
  const mayGo = Math.min(facts.tooOld, offset);
  if (next !== undefined && next <= mayGo) return 'promote';
  if (checkpoint !== undefined && checkpoint <= mayGo && (first <= checkpoint || hasRest)) return 'cut';
  const isUsedUp = checkpoint === undefined || checkpoint < first;
  return next === undefined && isUsedUp && first <= mayGo ? 'write' : 'nothing';
};
