/** What an application gives the client, and what it gets: options, status, the client itself. */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { fetch as undiciFetch } from 'undici';
import type { BackoffOptions } from './backoff.ts';
import type { CacheProblem } from './cache-record.ts';
import type { GrpcOptions } from './calling.ts';
import type { CallCore } from './calls/index.ts';
import type { HostPort } from './channel.ts';
import type { ConfigSource } from './config-source.ts';
import type { ConnectionStatus } from './connection.ts';
import type { DispatcherOptions, MeshDispatcher } from './http/index.ts';
import type { RegisterOptions, Registration } from './register/index.ts';
import type { ServiceHandle } from './service-handle.ts';

export interface ClientOptions {
  /** Control planes (their `--xds` addresses): the first is a random one, the next is tried when one is lost. */
  readonly addresses: readonly (HostPort | string)[];
  /**
   * URLs of the HTTP API of the control planes (`http://127.0.0.1:18001`), tried in turn: for `register`, and for services by interface.
   * Default: none.
   */
  readonly admin?: readonly string[];
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
  /** Of `fetch` and `dispatcher`. */
  readonly http?: Omit<DispatcherOptions, 'nowMs' | 'random'>;
  readonly backoff?: BackoffOptions;
  readonly random?: () => number;
  /** Wall clock, ms. */
  readonly now?: () => number;
  readonly onStatus?: (status: ConnectionStatus) => void;
  /** Told once of each problem: of the cache (`CACHE_*`), and of resources refused (`CALLS_UNUSABLE`). Default: `process.emitWarning`. */
  readonly log?: (problem: CacheProblem) => void;
}

/** As `RegisterOptions`; what is not said is the client's own: `admin`, and service, namespace, region, zone and labels of its node. */
export type ClientRegisterOptions = Omit<RegisterOptions, 'admin' | 'service' | 'namespace'> &
  Partial<Pick<RegisterOptions, 'admin' | 'service' | 'namespace'>>;

export interface ServiceOptions {
  /**
   * Whether the name is an interface. Default: when it has a `/`, or its last part begins with a capital (`shop.Cart`, but not `CART.shop`).
   */
  readonly interface?: boolean;
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
  /**
   * A service by an authority: `<service>.<namespace>`, with `:<port>`, or an external host; or by an interface or a method that it offers
   * (`shop.Cart`, `shop.Cart/AddItem`): the first service that does, by name, and that this caller may call. Asks nothing yet.
   * Throws `CLIENT_NO_ADMIN`: an interface, and no `admin` address to ask.
   */
  service(name: string, options?: ServiceOptions): ServiceHandle;
  /** Asks for several services at once. Rejects with the first `SIDECAR_TIMEOUT`. */
  prefetch(authorities: readonly string[]): Promise<void>;
  /** Routes and clusters as calls use them; made at first use. */
  calls(): CallCore;
  /** HTTP by names: `fetch` of undici for `http://<service>.<namespace>[:<port>]/…`. Rejects with a `TypeError` whose `cause` has the code. */
  readonly fetch: typeof undiciFetch;
  /** For what takes a dispatcher of undici, which loads at the first use. One for the client, and closed with it. */
  dispatcher(): Promise<MeshDispatcher>;
  /**
   * Makes `tendril:///<service>.<namespace>:<port>` a target of grpc-js; to be called before the first channel. Returns how to take it back,
   * which `close` does too. Throws `CALL_NAME_TAKEN`.
   */
  registerGrpc(options?: GrpcOptions): () => void;
  /** Registers this application under a lease. Throws `REGISTER_OPTIONS`, `PROBE_INVALID`. */
  register(options: ClientRegisterOptions): Registration;
  status(): ClientStatus;
  /**
   * Withdraws what is registered (without waiting for its callers: `drain` before), lets HTTP calls that run end within `graceMs` (default
   * 5,000), writes what the cache does not have yet, and ends the stream.
   */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}
