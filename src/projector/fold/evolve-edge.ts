/** Dependency events: each changes one edge of a caller; `renewed` names many. */
import { type EdgeRecord, evolveEdgeOf, MAX_EDGES } from '../../dependency-graph/index.ts';
import type { RecordedEvent } from '../../model/index.ts';
import { withEvent } from './edge-entity.ts';
import type { MeshState } from './mesh-state.ts';
import { APPLIED, type Applied, type Refusal, rejected } from './verdict.ts';

/** Applies an event to one edge; false when it is not there and the event does not make one. */
const evolveOne = (state: MeshState, from: string, to: string, event: RecordedEvent): boolean => {
  const caller = state.edges.get(from);
  const next = withEvent(caller, { from, to }, event, state.edgeTexts);
  if (next === caller) return false;
  state.edges.set(from, next);
  state.changes.touchInput(`edges:${from}`);
  return true;
};

const isFull = (state: MeshState, from: string, to: string): boolean => {
  const caller = state.edges.get(from);
  return caller !== undefined && caller.size >= MAX_EDGES && caller.find(to) === undefined;
};

type EdgeEvent = RecordedEvent<
  | 'dependency.declared'
  | 'dependency.withdrawn'
  | 'dependency.pinned'
  | 'dependency.denied'
  | 'dependency.observed'
  | 'dependency.expired'
>;

/** A keeper's word counts only within its term, and only for the edge as it knew it: what was used meanwhile stays. */
const expiryRefused = (
  state: MeshState,
  { data }: RecordedEvent<'dependency.expired'>,
  edge: EdgeRecord | undefined,
): Refusal | undefined => {
  const epoch = state.keepers.get('edges')?.epoch ?? 0;
  if (data.epoch !== undefined && data.epoch !== epoch)
    return rejected('stale-epoch', `The edge keeper of term ${data.epoch} says it; the term is ${epoch}.`);
  if (data.seen !== undefined && edge !== undefined && edge.lastOffset !== data.seen)
    return rejected(
      'expect',
      `${data.from} -> ${data.to} was changed by event ${edge.lastOffset}; the keeper had seen ${data.seen}.`,
    );
  return undefined;
};

export const edgeChanged = (state: MeshState, event: EdgeEvent): Applied | Refusal => {
  const { from, to } = event.data;
  if (isFull(state, from, to)) {
    return rejected(
      'E106',
      `${from} has ${MAX_EDGES} edges already, ${to} would be one more; ${MAX_EDGES} are allowed.`,
    );
  }
  const before = state.edges.get(from)?.find(to);
  if (event.type === 'dependency.expired') {
    const refusal = expiryRefused(state, event as RecordedEvent<'dependency.expired'>, before);
    if (refusal !== undefined) return refusal;
  }
  if (event.type === 'dependency.withdrawn' && before !== undefined) {
    const owners = [...before.declaredBy, ...(before.pinnedBy ?? []), ...(before.deniedBy ?? [])];
    if (!owners.includes(event.source)) {
      const whose = owners.length === 0 ? 'it was learned' : `only ${[...new Set(owners)].join(', ')} can withdraw it`;
      return rejected('not-owner', `Source "${event.source}" said nothing of ${from} -> ${to}; ${whose}.`);
    }
  }
  if (evolveOne(state, from, to, event as RecordedEvent)) return APPLIED;
  return { message: `There is no edge ${from} -> ${to}: nothing to change.` };
};

/** Edges of one caller together: each list is made once, however many of its edges are named. */
export const edgesRenewed = (state: MeshState, event: RecordedEvent<'dependency.renewed'>): Applied => {
  const byCaller = new Map<string, EdgeRecord[]>();
  let unknown = 0;
  for (const { from, to } of event.data.edges) {
    const before = state.edges.get(from)?.find(to);
    const after = evolveEdgeOf(from, to, before, event as RecordedEvent);
    if (after === undefined) unknown += 1;
    else if (byCaller.get(from)?.push(after) === undefined) byCaller.set(from, [after]);
  }
  for (const [from, edges] of byCaller) {
    state.edges.set(from, state.edges.get(from)?.replaced(edges, state.edgeTexts));
    state.changes.touchInput(`edges:${from}`);
  }
  return unknown === 0 ? APPLIED : { message: `${unknown} of ${event.data.edges.length} edges are not known.` };
};
