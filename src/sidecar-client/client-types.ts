/** What an application gives the client, and what it gets: options, status, the client itself. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { BackoffOptions } from './backoff.ts';
import type { CacheProblem } from './cache-record.ts';
import type { CallCore } from './calls/index.ts';
import type { ConfigSource } from './config-source.ts';
import type { ConnectionStatus, HostPort } from './connection.ts';
import type { ServiceHandle } from './service-handle.ts';

export interface ClientOptions {
  /** Control planes (their `--xds` addresses): the first is a random one, the next is tried when one is lost. */
  readonly addresses: readonly (HostPort | string)[];
  /** Who calls. `id` must be this instance's own, and the same after a restart (default `sidecar~<host name>~<service>.<namespace>`). */
  readonly node: {
    readonly service: string;
    readonly namespace: string;
    readonly id?: string;
    readonly region?: string;
    readonly zone?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  /** Folder of this client alone for the cache on disk. Default: no cache on disk. */
  readonly cacheDir?: string;
  /** Name of the mesh, for the cache (default `default`). */
  readonly mesh?: string;
  /** Default: plaintext. */
  readonly credentials?: ChannelCredentials;
  /** How long a question may wait for its answer, ms (default 5,000). */
  readonly timeoutMs?: number;
  /** A service that nobody watches is released so long after its last use, ms (default 600,000). */
  readonly idleMs?: number;
  readonly backoff?: BackoffOptions;
  readonly random?: () => number;
  /** Wall clock, ms. */
  readonly now?: () => number;
  readonly onStatus?: (status: ConnectionStatus) => void;
  /** Told once of each problem: of the cache (`CACHE_*`), and of resources refused (`CALLS_UNUSABLE`). Default: `process.emitWarning`. */
  readonly log?: (problem: CacheProblem) => void;
}

export interface ClientStatus {
  readonly connected: boolean;
  /** `live`: the control plane says it now; `cache`: the last known good; `none`: nothing is held yet. */
  readonly source: 'live' | 'cache' | 'none';
  /** Since the control plane last stood behind what is served, ms; 0 when live; undefined: unknown (nothing held, or the clock went back). */
  readonly ageMs: number | undefined;
  /** Wall clock of the same moment, ms. */
  readonly since: number | undefined;
  /** Resources held. */
  readonly held: { readonly clusters: number; readonly assignments: number; readonly virtualHosts: number };
  /** Responses refused since the start. */
  readonly refused: number;
  /** `off`: no `cacheDir`, or it cannot be used: `problem` says why. The last problem stays. */
  readonly cache: { readonly state: 'on' | 'off'; readonly problem?: CacheProblem };
}

export interface TendrilClient extends ConfigSource {
  /** A service by an authority: `<service>.<namespace>`, with `:<port>`, or an external host. Asks nothing yet. */
  service(authority: string): ServiceHandle;
  /** Asks for several services at once. Rejects with the first `SIDECAR_TIMEOUT`. */
  prefetch(authorities: readonly string[]): Promise<void>;
  /** Routes and clusters as calls use them; made at first use. */
  calls(): CallCore;
  status(): ClientStatus;
  /** Writes what the cache does not have yet, and ends the stream. */
  close(): Promise<void>;
}
