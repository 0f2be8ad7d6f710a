/** What `/healthz` and `/metrics` say of leases. */
import type { HealthPart, MetricFamily } from '../../admin/index.ts';
import { family, labelled } from '../metric-family.ts';
import type { Leases } from './leases.ts';

/** In `/healthz` and `/metrics`: of so many services each. */
const MAX_SERVICES = 100;
/** In a sentence. */
const NAMED = 3;

export const leaseHealth = ({ held, panics }: Leases): HealthPart => {
  if (panics.length === 0) return { name: 'leases', status: 'ok', leases: held };
  const told = panics
    .slice(0, NAMED)
    .map(
      ({ service, leases, expired, overdue }) =>
        `${service} (${leases} leases, ${expired} out, ${overdue} silent and kept)`,
    );
  const more = panics.length > NAMED ? ` and ${panics.length - NAMED} more` : '';
  return {
    name: 'leases',
    status: 'degraded',
    code: 'LEASES_PANIC',
    leases: held,
    services: panics.slice(0, MAX_SERVICES),
    message: `panic: at most half of a service's leases expire, the others stay, although they are silent: ${told.join(', ')}${more}`,
    remedy:
      'look whether their processes run and reach this control plane; withdraw those that are gone for good: DELETE /v1/services/NAMESPACE/NAME/endpoints/ID (one of another caller, which answers not-owner: POST /v1/events endpoint.deregistered with the source it names)',
  };
};

export const leaseFamilies = ({ held, panics, panicCount, counters }: Leases): readonly MetricFamily[] => [
  family('tendril_leases', 'gauge', 'Leases of endpoints, those that ran out lately among them.', held),
  family('tendril_leases_heartbeats_total', 'counter', 'Heartbeats taken.', counters.heartbeats),
  family('tendril_leases_renewed_total', 'counter', 'Leases begun or renewed by a registration.', counters.renewed),
  family(
    'tendril_leases_taken_total',
    'counter',
    'Requests refused because another holder has the lease.',
    counters.taken,
  ),
  family('tendril_leases_expired_total', 'counter', 'Leases that this replica let expire.', counters.expired),
  family('tendril_leases_panic', 'gauge', 'Services of which more leases are silent than may expire.', panics.length),
  labelled(
    'tendril_leases_panic_silent',
    'gauge',
    'Leases of a service in panic that are silent and kept; of 100 services at most.',
    'service',
    panics.slice(0, MAX_SERVICES).map(({ service, overdue }) => [service, overdue]),
  ),
  family('tendril_leases_panics_total', 'counter', 'Times a service came into that state.', panicCount),
  family(
    'tendril_leases_incomplete_total',
    'counter',
    'Rounds of the lease keeper in which not every replica answered in time: nothing, or not all, expires then.',
    counters.incomplete,
  ),
];
