/** Leases of endpoints: signs of life, and what happens without them. */
export { PEAK_MS } from './heard-peak.ts';
export { FORGET_MS, type Lease, type LeaseDecision, LeaseKeeper, type Panic, portionOf } from './lease-keeper.ts';
export { leaseFamilies, leaseHealth } from './lease-telling.ts';
export { type LeaseElectorate, Leases, type LeasesOptions } from './leases.ts';
export { openLeases } from './open-leases.ts';
