/** One event on the state: the reducer of its type. May throw; the caller undoes and quarantines then. */
import type { EventType, RecordedEvent } from '../../model/index.ts';
import { edgeChanged, edgesRenewed } from './evolve-edge.ts';
import { endpointHealthChanged, endpointRegistered, endpointWithdrawn } from './evolve-endpoint.ts';
import { keeperElected } from './evolve-keeper.ts';
import { policyApplied, policyDeleted, policyPatched, policyRefused } from './evolve-policy.ts';
import { resourceDeleted, resourcePut, resourceRefused, resourcesCleared } from './evolve-raw.ts';
import { replicaJoined, replicaLeft } from './evolve-replica.ts';
import { serviceDeregistered, serviceRegistered } from './evolve-service.ts';
import { MESH_KEY, type MeshState } from './mesh-state.ts';
import type { Unit } from './unit.ts';
import { APPLIED, type Applied, type Refusal } from './verdict.ts';

type Reducer<T extends EventType> = (state: MeshState, unit: Unit, event: RecordedEvent<T>) => Applied | Refusal;

const meshConfigured: Reducer<'mesh.configured'> = (state, _unit, event) => {
  const { data, offset, recordedAt } = event;
  const before = state.meshView().suffixes;
  const suffixes = data.suffixes;
  state.mesh.set(MESH_KEY, { name: data.name, suffixes, offset, recordedAt });
  const same = before.length === suffixes.length && before.every((suffix, index) => suffix === suffixes[index]);
  if (!same) state.changes.touchInput('mesh');
  return APPLIED;
};

const reducers: { readonly [T in EventType]: Reducer<T> } = {
  'mesh.configured': meshConfigured,
  'service.registered': serviceRegistered,
  'service.deregistered': serviceDeregistered,
  'endpoint.registered': (state, _unit, event) => endpointRegistered(state, event),
  'endpoint.health-changed': (state, _unit, event) => endpointHealthChanged(state, event),
  'endpoint.deregistered': (state, _unit, event) => endpointWithdrawn(state, event),
  'endpoint.expired': (state, _unit, event) => endpointWithdrawn(state, event),
  'policy.applied': policyApplied,
  'policy.patched': policyPatched,
  'policy.deleted': policyDeleted,
  'policy.refused': (state, _unit, event) => policyRefused(state, event),
  'dependency.declared': (state, _unit, event) => edgeChanged(state, event),
  'dependency.withdrawn': (state, _unit, event) => edgeChanged(state, event),
  'dependency.pinned': (state, _unit, event) => edgeChanged(state, event),
  'dependency.denied': (state, _unit, event) => edgeChanged(state, event),
  'dependency.observed': (state, _unit, event) => edgeChanged(state, event),
  'dependency.renewed': (state, _unit, event) => edgesRenewed(state, event),
  'dependency.expired': (state, _unit, event) => edgeChanged(state, event),
  'keeper.elected': (state, _unit, event) => keeperElected(state, event),
  'replica.joined': (state, _unit, event) => replicaJoined(state, event),
  'replica.left': (state, _unit, event) => replicaLeft(state, event),
  'resource.put': (state, _unit, event) => resourcePut(state, event),
  'resource.delete': (state, _unit, event) => resourceDeleted(state, event),
  'resource.clear': (state, _unit, event) => resourcesCleared(state, event),
  'resource.refused': (state, _unit, event) => resourceRefused(state, event),
};

/** @param event checked by `checkEvent`: its type is known and its data has that type's shape */
export const evolve = (state: MeshState, unit: Unit, event: RecordedEvent): Applied | Refusal => {
  const reducer = reducers[event.type] as Reducer<EventType>;
  return reducer(state, unit, event);
};
