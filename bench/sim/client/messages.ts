/** What the run and its client processes say to each other (IPC, structured clones). */
import type { MeshOptions } from '../mesh.ts';
import type { BytesByType } from '../result.ts';
import type { VersionCounts } from './versions.ts';

export interface ClientShare {
  readonly mesh: MeshOptions;
  readonly port: number;
  /** Numbers of its sidecars. */
  readonly from: number;
  readonly count: number;
  readonly perConnection: number;
  /** They need every service. */
  readonly needsAll: boolean;
  /** Before node ids, so that probes are others than the sidecars. */
  readonly prefix: string;
  /** Sidecars that may be on their way to a first configuration at a time. */
  readonly atOnce: number;
}

export type ToClient =
  | { readonly t: 'start'; readonly share: ClientShare }
  /** For each service: addresses that an assignment should have. Answered by `held`. */
  | {
      readonly t: 'check';
      readonly truth: readonly (readonly string[])[];
      /** Of clusters and virtual hosts: the version that most sidecars have. */
      readonly versions: ReadonlyMap<string, string>;
    }
  /** Which versions of clusters and virtual hosts its sidecars hold. Answered by `versions`. */
  | { readonly t: 'versions' }
  /** The largest push is counted anew. */
  | { readonly t: 'mark' }
  | { readonly t: 'stop' };

/** Sums since the start of the process. */
export interface ClientCounts {
  pushes: number;
  resources: number;
  bytes: { -readonly [K in keyof BytesByType]: number };
  /** Names and bodies of resources on streams after a sidecar's first one, listeners apart. */
  resourceBytes: number;
  listenerBytes: number;
  largestPush: number;
  foreign: number;
  repeated: number;
  refused: number;
  /** Streams that were opened after a sidecar's first one. */
  reconnects: number;
}

export type FromClient =
  | {
      readonly t: 'tick';
      /** Streams that the server has answered on. */
      readonly connected: number;
      readonly completed: number;
      readonly counts: ClientCounts;
      /** Since the last tick, in pairs: change, time of arrival (monotonic ms). */
      readonly arrivals: Float64Array;
      /** Since the last tick: dial -> everything is held, ms. */
      readonly completions: readonly number[];
      /** Since the last tick: latest first answer on a stream (monotonic ms); 0: none. */
      readonly lastAnswered: number;
      readonly examples: readonly string[];
    }
  | { readonly t: 'versions'; readonly counts: VersionCounts }
  | {
      readonly t: 'held';
      readonly lostSidecars: number;
      readonly lostResources: number;
      readonly examples: readonly string[];
    };
