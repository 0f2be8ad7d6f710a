/**
 * `limits.pending` for gRPC: calls of all channels that wait for a connection to a cluster. grpc-js does not say when a call that waits is given
 * up, so a channel counts anew whenever its connections change: then all that wait are picked for again.
 */
import type { UpstreamCluster } from '../calls/index.ts';

const counts = new WeakMap<UpstreamCluster, number>();

/** Those of one channel. */
export class Waiting {
  readonly #mine = new Map<UpstreamCluster, number>();

  /** False: so many wait already. */
  add(cluster: UpstreamCluster): boolean {
    const all = counts.get(cluster) ?? 0;
    if (all >= cluster.maxPending) return false;
    counts.set(cluster, all + 1);
    this.#mine.set(cluster, (this.#mine.get(cluster) ?? 0) + 1);
    return true;
  }

  /** All of this channel are picked for again, or it is closed. */
  clear(): void {
    for (const [cluster, mine] of this.#mine) counts.set(cluster, (counts.get(cluster) ?? 0) - mine);
    this.#mine.clear();
  }
}
