/** Dependency events: each changes one edge of a caller; `renewed` names many. */
import type { RecordedEvent } from '../../model/index.ts';
import { edgeTo, MAX_EDGES, withEvent } from './edge-entity.ts';
import type { MeshState } from './mesh-state.ts';
import { APPLIED, type Applied, type Refusal, rejected } from './verdict.ts';

/** Applies an event to one edge; false when it is not there and the event does not make one. */
const evolveOne = (state: MeshState, from: string, to: string, event: RecordedEvent): boolean => {
  const caller = state.edges.get(from);
  const next = withEvent(caller, from, to, event);
  if (next === caller) return false;
  state.edges.set(from, next);
  state.changes.touchInput(`edges:${from}`);
  return true;
};

const isFull = (state: MeshState, from: string, to: string): boolean => {
  const caller = state.edges.get(from);
  return caller !== undefined && caller.edges.length >= MAX_EDGES && edgeTo(caller, to) === undefined;
};

type EdgeEvent = RecordedEvent<
  | 'dependency.declared'
  | 'dependency.withdrawn'
  | 'dependency.pinned'
  | 'dependency.denied'
  | 'dependency.observed'
  | 'dependency.expired'
>;

export const edgeChanged = (state: MeshState, event: EdgeEvent): Applied | Refusal => {
  const { from, to } = event.data;
  if (isFull(state, from, to)) {
    return rejected(
      'E106',
      `${from} has ${MAX_EDGES} edges already, ${to} would be one more; ${MAX_EDGES} are allowed.`,
    );
  }
  const before = edgeTo(state.edges.get(from), to);
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

export const edgesRenewed = (state: MeshState, event: RecordedEvent<'dependency.renewed'>): Applied => {
  let unknown = 0;
  for (const { from, to } of event.data.edges) if (!evolveOne(state, from, to, event as RecordedEvent)) unknown += 1;
  return unknown === 0 ? APPLIED : { message: `${unknown} of ${event.data.edges.length} edges are not known.` };
};
