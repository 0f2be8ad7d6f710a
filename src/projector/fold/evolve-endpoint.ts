/** Endpoint events: each changes the facet of its source (design.md section 5). */
import { type RecordedEvent, serviceName } from '../../model/index.ts';
import {
  type EndpointRecord,
  type EndpointWord,
  facetOf,
  makeFacet,
  withFacet,
  withHealth,
  withoutFacet,
} from './endpoint-record.ts';
import { EndpointShards } from './endpoint-shards.ts';
import { expiryRefused, leaseEnded, leaseOf, leaseRefused, leaseRegistered } from './evolve-lease.ts';
import { rankOf } from './facet-rank.ts';
import type { MeshState } from './mesh-state.ts';
import type { Speaker } from './service-entity.ts';
import type { Cell } from './table.ts';
import { APPLIED, type Applied, type Refusal, rejected } from './verdict.ts';

/** Puts a record in place of the one with its id, or removes it (undefined). */
const write = (
  state: MeshState,
  cell: Cell<EndpointShards>,
  before: EndpointRecord | undefined,
  after: EndpointRecord | undefined,
  id: string,
): void => {
  const shards = cell.value ?? EndpointShards.empty;
  const next = after === undefined ? shards.without(id) : shards.with(after, before);
  state.endpoints.write(cell, next.count === 0 ? undefined : next);
};

/** A source says what an endpoint is. */
export const registerEndpoint = (
  state: MeshState,
  service: string,
  word: EndpointWord,
  speaker: Omit<Speaker, 'recordedAt'>,
  /** `keepEqual`: a word that says nothing new is no event of the endpoint (inline endpoints of a document). */
  options: { readonly keepEqual?: boolean } = {},
): void => {
  const { source, rank, offset } = speaker;
  const cell = state.endpoints.cell(service);
  const before = cell.value?.get(word.id);
  const own = facetOf(before, source, rank);
  const candidates = cell.value?.templates ?? [];
  const facet = makeFacet(word, own?.source ?? state.intern(source), rank, offset, own, candidates);
  if (options.keepEqual === true && facet === own) return;
  write(state, cell, before, withFacet(before, facet, offset), word.id);
};

/** A source takes back its word; nothing happens when it said none. */
export const withdrawEndpoint = (
  state: MeshState,
  service: string,
  id: string,
  speaker: Omit<Speaker, 'recordedAt'>,
): void => {
  const cell = state.endpoints.cell(service);
  const before = cell.value?.get(id);
  if (before === undefined || facetOf(before, speaker.source, speaker.rank) === undefined) return;
  write(state, cell, before, withoutFacet(before, speaker.source, speaker.rank, speaker.offset), id);
};

export const endpointRegistered = (
  state: MeshState,
  event: RecordedEvent<'endpoint.registered'>,
): Applied | Refusal => {
  const { data, source, offset } = event;
  const refusal = leaseRefused(state, event);
  if (refusal !== undefined) return refusal;
  const service = serviceName(data.namespace, data.service);
  registerEndpoint(state, service, data, { source, rank: rankOf(source), offset });
  leaseRegistered(state, event);
  return APPLIED;
};

export const endpointHealthChanged = (
  state: MeshState,
  event: RecordedEvent<'endpoint.health-changed'>,
): Applied | Refusal => {
  const { data, source, offset } = event;
  const service = serviceName(data.namespace, data.service);
  const cell = state.endpoints.cell(service);
  const before = cell.value?.get(data.id);
  if (before === undefined) {
    return rejected('unknown-endpoint', `${service} has no endpoint "${data.id}": register it first.`);
  }
  const own = facetOf(before, source, rankOf(source));
  if (own === undefined) {
    const owners = before.facets.map((facet) => facet.source).join(', ');
    return rejected(
      'unknown-endpoint',
      `Source "${source}" did not register endpoint "${data.id}" of ${service} (${owners} did), so it has no health to change.`,
    );
  }
  write(state, cell, before, withFacet(before, withHealth(own, data.health), offset), data.id);
  return APPLIED;
};

/** `endpoint.deregistered` and `endpoint.expired`. */
export const endpointWithdrawn = (
  state: MeshState,
  event: RecordedEvent<'endpoint.deregistered'> | RecordedEvent<'endpoint.expired'>,
): Applied | Refusal => {
  const { data, source, offset } = event;
  const service = serviceName(data.namespace, data.service);
  const lease = leaseOf(state, event);
  if (event.type === 'endpoint.expired') {
    const refusal = expiryRefused(state, event as RecordedEvent<'endpoint.expired'>, lease);
    if (refusal !== undefined) return refusal;
  }
  if (lease !== undefined) leaseEnded(state, event, lease);
  // Of a lease that had run out there is nothing else to end.
  if (lease?.expired === true) return APPLIED;
  const before = state.endpoints.get(service)?.get(data.id);
  if (before === undefined) return { message: `${service} has no endpoint "${data.id}": nothing to withdraw.` };
  const rank = rankOf(source);
  if (facetOf(before, source, rank) === undefined) {
    const owners = before.facets.map((facet) => facet.source).join(', ');
    return rejected(
      'not-owner',
      `Source "${source}" did not register endpoint "${data.id}" of ${service}; only ${owners} can withdraw it.`,
    );
  }
  withdrawEndpoint(state, service, data.id, { source, rank, offset });
  return APPLIED;
};
