/**
 * Assignments as they came, each version once for all sidecars of this process: which changes are in it, and which addresses. Sidecars hold
 * a reference, so that ten thousand of them cost no copies, and a push costs a look-up instead of a decoding.
 */
import { ClusterLoadAssignment, envoy } from '../../../src/proto/index.ts';
import { changeOf } from '../mesh.ts';

const { HealthStatus } = envoy.config.core.v3;

export interface SeenAssignment {
  readonly name: string;
  readonly version: string;
  /** Changes whose address is in it (M1 of the mesh). */
  readonly changes: ReadonlySet<number>;
  /** Sorted; those that are not healthy end in `!`. */
  readonly addresses: readonly string[];
  /** Sidecars that hold it. */
  holders: number;
}

export class Assignments {
  readonly #byName = new Map<string, Map<string, SeenAssignment>>();
  readonly #empty = new Map<string, Uint8Array>();

  /** `body` is read if the version is new. */
  take(name: string, version: string, body: Uint8Array): SeenAssignment {
    let versions = this.#byName.get(name);
    if (versions === undefined) {
      versions = new Map();
      this.#byName.set(name, versions);
    }
    let seen = versions.get(version);
    if (seen === undefined) {
      seen = read(name, version, body);
      versions.set(version, seen);
    }
    seen.holders++;
    return seen;
  }

  drop(seen: SeenAssignment): void {
    seen.holders--;
    if (seen.holders === 0) this.#byName.get(seen.name)?.delete(seen.version);
  }

  /** An assignment of this name without endpoints: what the sessions are given, so that they keep none. */
  withoutEndpoints(name: string): Uint8Array {
    let body = this.#empty.get(name);
    if (body === undefined) {
      body = ClusterLoadAssignment.encode({ clusterName: name }).finish();
      this.#empty.set(name, body);
    }
    return body;
  }
}

const read = (name: string, version: string, body: Uint8Array): SeenAssignment => {
  const changes = new Set<number>();
  const addresses: string[] = [];
  for (const { lbEndpoints } of ClusterLoadAssignment.decode(body).endpoints)
    for (const { endpoint, healthStatus } of lbEndpoints ?? []) {
      const address = endpoint?.address?.socketAddress?.address ?? '';
      const isHealthy = !healthStatus || healthStatus === HealthStatus.HEALTHY;
      addresses.push(isHealthy ? address : `${address}!`);
      const change = changeOf(address);
      if (change !== undefined) changes.add(change);
    }
  return { name, version, changes, addresses: addresses.sort(), holders: 0 };
};
