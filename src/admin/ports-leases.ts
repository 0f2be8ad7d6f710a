/** Port for leases of endpoints: who has to give signs of life, and that one came. */
import type { TendrilError } from '../model/index.ts';
import type { EndpointView } from './ports-reading.ts';

/** A lease as the log has it; `LeaseView` of the fold fits. */
export interface LeaseView {
  /** `<service>.<namespace>`. */
  readonly service: string;
  readonly id: string;
  readonly source: string;
  /** How long the holder may be silent, ms. */
  readonly ttlMs: number;
  /** Random id of the process that renews it. */
  readonly holder: string;
  /** It ran out: the endpoint is not served by it any more. */
  readonly expired?: true;
  readonly offset: number;
}

/** `Leases` of the runtime fits. */
export interface LeasesPort {
  lease(service: string, id: string, source: string): LeaseView | undefined;
  /** Those that ran out among them, in no order. */
  leasesOf(service: string): readonly LeaseView[];
  /** What a source says of an endpoint. */
  endpointOf(service: string, id: string, source: string): EndpointView | undefined;
  /** A sign of life of the holder. Throws what keeps this replica from taking it: `LEASE_REPLICA_ALONE`, `STATE_DIVERGED`. */
  renew(lease: LeaseView, how: 'registered' | 'heartbeat'): void;
  /** Throws `LEASE_TAKEN`; counts it. */
  taken(lease: LeaseView): TendrilError;
  /** ms since the last sign of life that this replica knows; undefined: this replica does not keep the leases. */
  silentMs(lease: LeaseView): number | undefined;
}
