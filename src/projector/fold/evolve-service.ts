/** Service events, and the facet that a Service document gives. */
import { type RecordedEvent, serviceName } from '../../model/index.ts';
import { rankOf } from './facet-rank.ts';
import type { MeshState } from './mesh-state.ts';
import {
  hasServiceFacet,
  keepView,
  type ServiceChange,
  type ServiceEntity,
  type ServiceWord,
  type Speaker,
  serviceDiffers,
  serviceWordOf,
  withoutServiceFacet,
  withServiceFacet,
} from './service-entity.ts';
import type { Unit } from './unit.ts';
import { APPLIED, type Applied, type Refusal, rejected } from './verdict.ts';

const write = (
  state: MeshState,
  unit: Unit,
  name: string,
  before: ServiceEntity | undefined,
  change: ServiceChange,
): void => {
  const differs = change.touchesServed && serviceDiffers(before, change.entity);
  if (!differs && before !== undefined && change.entity !== undefined) keepView(before, change.entity);
  state.services.set(name, change.entity);
  unit.touchService(name, before);
  if (differs) state.changes.touchInput(`svc:${name}`);
};

/** A source says what a service is. */
export const registerService = (
  state: MeshState,
  unit: Unit,
  name: string,
  word: ServiceWord,
  speaker: Speaker,
): void => {
  const before = state.services.get(name);
  write(state, unit, name, before, withServiceFacet(state.immer, before, speaker, word));
};

/** A source takes back its word; nothing happens when it said none. */
export const withdrawService = (state: MeshState, unit: Unit, name: string, speaker: Speaker): void => {
  const before = state.services.get(name);
  if (before === undefined || !hasServiceFacet(before, speaker.source, speaker.rank)) return;
  const change = withoutServiceFacet(state.immer, before, speaker.source, speaker.rank, speaker.offset);
  write(state, unit, name, before, change);
};

export const serviceRegistered = (
  state: MeshState,
  unit: Unit,
  event: RecordedEvent<'service.registered'>,
): Applied => {
  const { data, source, offset, recordedAt } = event;
  const speaker = { source, rank: rankOf(source), offset, recordedAt };
  registerService(state, unit, serviceName(data.namespace, data.name), serviceWordOf(data), speaker);
  return APPLIED;
};

export const serviceDeregistered = (
  state: MeshState,
  unit: Unit,
  event: RecordedEvent<'service.deregistered'>,
): Applied | Refusal => {
  const { data, source, offset, recordedAt } = event;
  const name = serviceName(data.namespace, data.name);
  const entity = state.services.get(name);
  if (entity === undefined) return { message: `Service ${name} is not registered: nothing to withdraw.` };
  const rank = rankOf(source);
  if (!hasServiceFacet(entity, source, rank)) {
    const owners = entity.facets.map((facet) => facet.source).join(', ');
    return rejected('not-owner', `Source "${source}" did not register ${name}; only ${owners} can withdraw it.`);
  }
  withdrawService(state, unit, name, { source, rank, offset, recordedAt });
  return APPLIED;
};
