/** What `/healthz` and `/metrics` say of leases. */
import type { HealthPart, MetricFamily } from '../../admin/index.ts';
import { family } from '../metric-family.ts';
import type { Leases } from './leases.ts';

export const leaseHealth = ({ held, panics }: Leases): HealthPart => {
  const [first] = panics;
  if (first === undefined) return { name: 'leases', status: 'ok', leases: held };
  const more = panics.length === 1 ? '' : ` (and ${panics.length - 1} more services)`;
  return {
    name: 'leases',
    status: 'degraded',
    code: 'LEASES_PANIC',
    leases: held,
    services: panics.slice(0, 100),
    message: `panic: of ${first.leases} leased endpoints of ${first.service} ${first.expired} are out and ${first.overdue} more are silent${more}; at most half expire, the others stay`,
    remedy:
      'look whether their processes run and reach this control plane; withdraw those that are gone for good: DELETE /v1/services/NAMESPACE/NAME/endpoints/ID (one of another caller, which answers not-owner: POST /v1/events endpoint.deregistered with the source it names)',
  };
};

export const leaseFamilies = ({ held, panics, counters }: Leases): readonly MetricFamily[] => [
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
  family('tendril_leases_panics_total', 'counter', 'Times a service came into that state.', counters.panics),
  family(
    'tendril_leases_incomplete_total',
    'counter',
    'Rounds of the lease keeper in which not every replica answered: nothing expires then.',
    counters.incomplete,
  ),
];
