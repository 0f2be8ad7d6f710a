/** An endpoint with what a cluster remembers of it; it stays the same while the endpoint is in the assignment. */
import { type EjectionRecord, newEjectionRecord } from './ejection.ts';
import type { AssignedEndpoint } from './endpoints.ts';

export class Host {
  endpoint: AssignedEndpoint;
  /** Calls that run. */
  active = 0;
  readonly ejection: EjectionRecord = newEjectionRecord();

  constructor(endpoint: AssignedEndpoint) {
    this.endpoint = endpoint;
  }

  get usable(): boolean {
    return this.endpoint.healthy && this.ejection.ejectedAtMs === undefined;
  }
}
