/**
 * Leases of endpoints: who has to give signs of life for which one, and which ran out.
 *
 * Invariants:
 * 1. There is a lease for a source's word on an endpoint exactly when its last `endpoint.registered` had one.
 * 2. A lease that ran out stays, without the word it stood for, until the endpoint is registered again, deregistered, or expired once
 *    more: the panic threshold counts over both kinds, and has to survive a restart.
 * 3. An expiry of another term than the newest, or that had not seen the lease's last event, changes nothing.
 */
import { type RecordedEvent, serviceName } from '../../model/index.ts';
import type { MeshState } from './mesh-state.ts';
import type { LeaseView } from './types.ts';
import { type Refusal, rejected } from './verdict.ts';

/** Of all services together; what is above is refused. */
export const MAX_LEASES = 200_000;

/** A source has at most one lease for an endpoint. */
export const leaseKey = (service: string, id: string, source: string): string => `${service}|${source}|${id}`;

type Withdrawal = RecordedEvent<'endpoint.deregistered'> | RecordedEvent<'endpoint.expired'>;

export const leaseOf = (state: MeshState, { data, source }: Withdrawal): LeaseView | undefined =>
  state.leases.get(leaseKey(serviceName(data.namespace, data.service), data.id, source));

/** Undefined: the event may be applied. */
export const leaseRefused = (
  state: MeshState,
  { data, source }: RecordedEvent<'endpoint.registered'>,
): Refusal | undefined => {
  if (data.lease === undefined) return undefined;
  if (!source.startsWith('lease:'))
    return rejected('not-owner', `Source "${source}" cannot hold a lease; only sources lease:NAME can.`);
  const key = leaseKey(serviceName(data.namespace, data.service), data.id, source);
  if (state.leaseIndex.count < MAX_LEASES || state.leases.get(key) !== undefined) return undefined;
  return rejected('too-many-leases', `There are ${MAX_LEASES} leases already; no more are allowed.`);
};

export const leaseRegistered = (state: MeshState, event: RecordedEvent<'endpoint.registered'>): void => {
  const { data, source, offset, recordedAt } = event;
  if (!source.startsWith('lease:')) return;
  const service = serviceName(data.namespace, data.service);
  const key = leaseKey(service, data.id, source);
  const { lease, id } = data;
  if (lease === undefined) {
    if (state.leases.get(key) !== undefined) state.leases.set(key, undefined);
    return;
  }
  const { ttlMs, holder } = lease;
  state.leases.set(key, { service, id, source: state.intern(source), ttlMs, holder, offset, recordedAt });
};

/** Undefined: the keeper's word holds. */
export const expiryRefused = (
  state: MeshState,
  { data }: RecordedEvent<'endpoint.expired'>,
  lease: LeaseView | undefined,
): Refusal | undefined => {
  const epoch = state.keepers.get('edges')?.epoch ?? 0;
  if (data.epoch !== undefined && data.epoch !== epoch)
    return rejected('stale-epoch', `The keeper of term ${data.epoch} says it; the term is ${epoch}.`);
  if (data.seen !== undefined && lease?.offset !== data.seen)
    return rejected(
      'expect',
      `Endpoint "${data.id}" was registered by event ${lease?.offset ?? 0}; the keeper had seen ${data.seen}.`,
    );
  return undefined;
};

/** A lease ends with its endpoint; one that runs out stays, marked (invariant 2). */
export const leaseEnded = (state: MeshState, event: Withdrawal, lease: LeaseView): void => {
  const key = leaseKey(lease.service, lease.id, lease.source);
  const { offset, recordedAt } = event;
  const runsOut = event.type === 'endpoint.expired' && lease.expired !== true;
  state.leases.set(key, runsOut ? { ...lease, expired: true, offset, recordedAt } : undefined);
};
