/** What a relay is given, and what it says of itself. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { BackoffOptions, CacheProblem, HostPort } from '../../sidecar-client/index.ts';
import type { StoreLogger } from '../../store/index.ts';
import type { RelayCounters, RelayForm, RelayState } from './effect.ts';
import type { SideCounters } from './side-stream.ts';

export interface RelayOptions {
  /** A loopback address: whoever reaches it can take the identity of any node. Port 0: one that is free. */
  readonly listen: HostPort;
  /** xDS addresses of the control planes. */
  readonly upstreams: readonly HostPort[];
  /** Where last good configurations outlive this process; absent: in memory only. */
  readonly cacheDir?: string;
  /** Name of the mesh: a cache folder of another one is not used. */
  readonly mesh: string;
  readonly log?: StoreLogger;
  /** Towards the control planes; default plaintext. */
  readonly credentials?: ChannelCredentials;
  readonly backoff?: BackoffOptions;
  /**
   * Bytes of last good configurations in memory, of all nodes together, and of responses that Envoys have not answered; default 256 MiB.
   * At the bound nodes without an Envoy leave memory (their copy on disk stays); then what is new is not kept.
   */
  readonly maxBytes?: number;
  /** Unix time, ms; default `Date.now`. For the age of copies, which outlive the process. */
  readonly now?: () => number;
  /** How often copies of nodes that are not seen any more are looked for, and how long after the start first, ms; default one hour. */
  readonly pruneMs?: number;
}

export interface RelayedEnvoy extends RelayCounters {
  readonly node: string;
  readonly form: RelayForm;
  readonly state: RelayState;
}

export interface RelayStatus {
  /** The control plane that answers; undefined: none does, or no Envoy is connected. */
  readonly controlPlane: HostPort | undefined;
  readonly envoys: readonly RelayedEnvoy[];
  /** Last good configurations in memory. */
  readonly lastGood: readonly {
    readonly node: string;
    readonly form: RelayForm;
    readonly resources: number;
    readonly bytes: number;
    readonly notKept: number;
    /** Since a control plane stood behind it for the last time, ms; 0 while one does; undefined: not known. */
    readonly ageMs: number | undefined;
  }[];
  readonly memory: {
    readonly bytes: number;
    readonly maxBytes: number;
    /** Resources and responses for which there was no room. */
    readonly refused: number;
    /** Nodes without an Envoy that were taken out of memory, for room or because there were 64. */
    readonly released: number;
  };
  readonly cache: {
    /** Folder of the copy on disk; undefined: there is none. */
    readonly path: string | undefined;
    /** Changes that are not on disk yet. */
    readonly waiting: number;
    readonly problem: CacheProblem | undefined;
    /** Why what was found at the start was thrown away. */
    readonly emptied: string | undefined;
    /** Copies removed since the start because no Envoy of their node came for 30 days. */
    readonly pruned: number;
  };
  readonly side: Readonly<SideCounters>;
}

export interface Relay {
  readonly address: HostPort;
  status(): RelayStatus;
  /** Ends all streams and writes what waits. */
  close(): Promise<void>;
}
