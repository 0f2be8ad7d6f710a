/**
 * Life of one stored edge (caller -> callee), as a pure function of events.
 *
 * Invariants:
 * 1. Lists are sorted and without repeats: equal facts give equal records, whatever order they came in.
 * 2. A source changes only what it said itself: `withdrawn` takes back its declaration, its pin and its denial.
 * 3. `pinned` is `pinnedBy` not empty, `denied` is `deniedBy` not empty; a source is in at most one of the two.
 * 4. At most two witnesses are kept, the first two.
 * 5. An edge of which nothing is left (no source, no evidence) is gone.
 * 6. Only `expired` ends evidence, only new evidence or a renewal brings it back, and that is counted. Nothing here reads a clock.
 * 7. Only evidence and renewals are use: words of operators do not make an edge younger.
 */
import type { RecordedEvent } from '../model/index.ts';
import type { EdgeEvidence, EdgeRecord } from './types.ts';

const MAX_WITNESSES = 2;
/** Of the count of returns: beyond it an edge lives no longer. */
export const MAX_RETURNED = 3;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Type and data of an event, so that a switch over the type narrows the data. */
type EdgeWord =
  | { readonly type: 'declared' | 'withdrawn' | 'pinned' | 'denied' | 'renewed' | 'expired' }
  | { readonly type: 'observed'; readonly evidence: EdgeEvidence };

const wordOf = (event: RecordedEvent): EdgeWord | undefined => {
  switch (event.type) {
    case 'dependency.declared':
      return { type: 'declared' };
    case 'dependency.withdrawn':
      return { type: 'withdrawn' };
    case 'dependency.pinned':
      return { type: 'pinned' };
    case 'dependency.denied':
      return { type: 'denied' };
    case 'dependency.renewed':
      return { type: 'renewed' };
    case 'dependency.expired':
      return { type: 'expired' };
    case 'dependency.observed':
      return { type: 'observed', evidence: (event as RecordedEvent<'dependency.observed'>).data.evidence };
    default:
      return undefined;
  }
};

const withText = (list: readonly string[], text: string): readonly string[] =>
  list.includes(text) ? list : [...list, text].sort();

const withoutText = (list: readonly string[], text: string): readonly string[] =>
  list.includes(text) ? list.filter((item) => item !== text) : list;

const withEvidence = (list: readonly EdgeEvidence[], evidence: EdgeEvidence): readonly EdgeEvidence[] =>
  list.includes(evidence) ? list : [...list, evidence].sort();

const setSources = (edge: Writable<EdgeRecord>, pinnedBy: readonly string[], deniedBy: readonly string[]): void => {
  edge.pinned = pinnedBy.length > 0;
  edge.denied = deniedBy.length > 0;
  if (edge.pinned) edge.pinnedBy = pinnedBy;
  else delete edge.pinnedBy;
  if (edge.denied) edge.deniedBy = deniedBy;
  else delete edge.deniedBy;
};

const isEmpty = (edge: EdgeRecord): boolean =>
  edge.declaredBy.length === 0 && !edge.pinned && !edge.denied && edge.evidence.length === 0;

/** The learned part of the edge is alive: it has evidence that did not expire. */
export const isLearned = (edge: EdgeRecord): boolean => edge.evidence.length > 0 && edge.expired !== true;

/** An edge of which nothing was said yet; `evolveEdge` starts from it. */
const firstRecord = (from: string, to: string, event: RecordedEvent): EdgeRecord => ({
  from,
  to,
  declaredBy: [],
  pinned: false,
  denied: false,
  evidence: [],
  witnesses: [],
  firstOffset: event.offset,
  lastOffset: event.offset,
  firstSeen: event.recordedAt,
  lastSeen: event.recordedAt,
});

const used = (edge: Writable<EdgeRecord>, at: number): void => {
  edge.usedAt = at;
  if (edge.expired === undefined) return;
  delete edge.expired;
  edge.returned = Math.min((edge.returned ?? 0) + 1, MAX_RETURNED);
};

const edit = (edge: Writable<EdgeRecord>, word: EdgeWord, event: RecordedEvent): void => {
  edge.lastOffset = event.offset;
  edge.lastSeen = event.recordedAt;
  const { source } = event;
  const pinnedBy = edge.pinnedBy ?? [];
  const deniedBy = edge.deniedBy ?? [];
  switch (word.type) {
    case 'declared':
      edge.declaredBy = withText(edge.declaredBy, source);
      break;
    case 'withdrawn':
      edge.declaredBy = withoutText(edge.declaredBy, source);
      setSources(edge, withoutText(pinnedBy, source), withoutText(deniedBy, source));
      break;
    case 'pinned':
      setSources(edge, withText(pinnedBy, source), withoutText(deniedBy, source));
      break;
    case 'denied':
      setSources(edge, withoutText(pinnedBy, source), withText(deniedBy, source));
      break;
    case 'observed':
      edge.evidence = withEvidence(edge.evidence, word.evidence);
      if (edge.witnesses.length < MAX_WITNESSES) edge.witnesses = withText(edge.witnesses, source);
      used(edge, event.recordedAt);
      break;
    case 'renewed':
      used(edge, event.recordedAt);
      break;
    case 'expired':
      if (edge.evidence.length > 0) edge.expired = true;
      break;
  }
};

/**
 * What an event makes of the edge `from` -> `to`; undefined when no edge is there afterwards. The same object comes back when
 * the event says nothing of edges. `dependency.renewed` names many edges: the caller asks for each of them.
 */
export const evolveEdgeOf = (
  from: string,
  to: string,
  edge: EdgeRecord | undefined,
  event: RecordedEvent,
): EdgeRecord | undefined => {
  const word = wordOf(event);
  if (word === undefined) return edge;
  const startsOne =
    word.type === 'declared' || word.type === 'pinned' || word.type === 'denied' || word.type === 'observed';
  if (edge === undefined && !startsOne) return undefined;
  const next: Writable<EdgeRecord> = { ...(edge ?? firstRecord(from, to, event)) };
  edit(next, word, event);
  return isEmpty(next) ? undefined : next;
};

/** As `evolveEdgeOf`, for events that name one edge (all but `dependency.renewed`, which needs the edge it is asked for). */
export const evolveEdge = (edge: EdgeRecord | undefined, event: RecordedEvent): EdgeRecord | undefined => {
  const { from, to } = (edge ?? event.data) as { readonly from?: string; readonly to?: string };
  return from === undefined || to === undefined ? edge : evolveEdgeOf(from, to, edge, event);
};
