/**
 * What the call layer (`calls/`), the resolver of gRPC and the dispatcher of HTTP see of a client: the configuration held, as bytes and
 * versions. They decode what they need, once per version; the session below keeps only names.
 */

/** A resource as the control plane sent it. The same object until it changes: a memo may be keyed by it. */
export interface HeldResource {
  readonly name: string;
  readonly version: string;
  /** `VirtualHost`, `Cluster` or `ClusterLoadAssignment`. */
  readonly body: Uint8Array;
}

export type ConfigKind = 'cluster' | 'assignment' | 'virtualHost';

export interface ConfigChange {
  readonly kind: ConfigKind;
  /** Names changed, come or gone. */
  readonly names: readonly string[];
}

export interface ConfigSource {
  /** Where this client runs: for locality first. Empty: unknown. */
  readonly locality: { readonly region: string; readonly zone: string };
  /** Of an authority (`host`, `host:port`), if its answer is held. */
  virtualHostOf(authority: string): HeldResource | undefined;
  cluster(name: string): HeldResource | undefined;
  /** Assignment of a cluster held; undefined: not held, or not of type EDS. */
  assignmentOf(cluster: string): HeldResource | undefined;
  /**
   * Asks for an authority unless it is held, and waits until its virtual host and all clusters that it names, with their assignments,
   * are there. False: nobody answers this authority. Rejects with `SIDECAR_TIMEOUT`, `SIDECAR_CLOSED`.
   */
  ready(authority: string): Promise<boolean>;
  /** The authority is in use: it is not released as idle. */
  touch(authority: string): void;
  onChange(listener: (change: ConfigChange) => void): () => void;
}
