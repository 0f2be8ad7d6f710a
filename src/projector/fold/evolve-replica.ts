/** `replica.joined`, `replica.left`: which replicas of the control plane there are, and where they are reached. */
import type { RecordedEvent } from '../../model/index.ts';
import type { MeshState } from './mesh-state.ts';
import { APPLIED, type Applied, type Refusal, rejected } from './verdict.ts';

/** So that nobody asks more of them, and none is forgotten silently. */
const MAX_REPLICAS = 64;

export const replicaJoined = (state: MeshState, event: RecordedEvent<'replica.joined'>): Applied | Refusal => {
  const { replica, admin } = event.data;
  if (state.replicas.get(replica) === undefined && [...state.replicas.keys()].length >= MAX_REPLICAS)
    return rejected('too-many-replicas', `${MAX_REPLICAS} replicas have joined already; take those out that are gone.`);
  state.replicas.set(replica, { admin, offset: event.offset, recordedAt: event.recordedAt });
  return APPLIED;
};

export const replicaLeft = (state: MeshState, event: RecordedEvent<'replica.left'>): Applied | Refusal => {
  state.replicas.set(event.data.replica, undefined);
  return APPLIED;
};
