/**
 * What compile reads and what it makes. All of it is pure: the same inputs give the same bytes on every replica.
 */
import type {
  Health,
  InterfaceSpec,
  Locality,
  ResolvedRoute,
  ResolvedUpstream,
  ServicePortSpec,
  Visibility,
} from '../model/index.ts';

/** A service as the fold serves it: the highest-ranked facet. */
export interface ServiceView {
  /** `<service>.<namespace>` */
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly ServicePortSpec[];
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly InterfaceSpec[];
  /** Lower case; empty when the service is inside the mesh. */
  readonly externalHosts: readonly string[];
  readonly visibility: Visibility;
  /** Port that answers for domains without a port: the lowest HTTP port at first registration, then sticky. Undefined: TCP only. */
  readonly defaultPort: number | undefined;
}

/** One endpoint as served: fields of the highest-ranked source, the worst health of all. */
export interface EndpointView {
  readonly id: string;
  /** IPv4 or IPv6 literal. */
  readonly address: string;
  /** Service port -> port of the application (absent: the same). */
  readonly ports?: Readonly<Record<string, number>>;
  /** Service port -> port of its sidecar; callers dial it where given. */
  readonly inbound?: Readonly<Record<string, number>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly locality?: Locality;
  readonly weight?: number;
  readonly health?: Health;
  readonly serviceAccount?: string;
}

/**
 * Up to a few hundred endpoints of one service. Identity changes exactly when content changes, so encoded bytes can be cached
 * per block. Small services have one block; large ones many (packed; decoded by `endpoints()` on demand).
 */
export interface EndpointBlock {
  readonly size: number;
  /** In ascending order of id. */
  endpoints(): readonly EndpointView[];
}

export interface MeshView {
  readonly name: string;
  /** e.g. `.mesh.local`, `.svc.cluster.local` */
  readonly suffixes: readonly string[];
}

/** What a compile function may look at. The caller records every read, and recompiles only what read a changed input. */
export interface CompileInputs {
  mesh(): MeshView;
  service(name: string): ServiceView | undefined;
  /** Blocks in a fixed order; empty for a service without endpoints. */
  endpoints(service: string): readonly EndpointBlock[];
  /** Effective Route for one port of a service: built-in < mesh < namespace < service < service+port. */
  route(service: string, port: number): ResolvedRoute;
  upstream(service: string, port: number): ResolvedUpstream;
  /** Subsets of this service that routes of others name, sorted: they get clusters and assignments as well. Absent: none. */
  subsetsUsedElsewhere?(service: string): readonly { readonly port: number; readonly subset: string }[];
}

/**
 * The two compile units of a service. `config`: its clusters and virtual hosts. `endpoints`: its load assignments and the
 * `local` assignment that its own sidecars ask for.
 */
export type CompileUnit = 'config' | 'endpoints';

export interface CompiledResource {
  /** `cds`, `eds`, `vhds`, or `local` (EDS `local` of the service's own nodes). */
  readonly type: 'cds' | 'eds' | 'vhds' | 'local';
  /** '' for everybody, `ns:<namespace>` for callers of that namespace (short host names). */
  readonly variant: string;
  /** Cluster name, or canonical service port for `vhds`, or service name for `local`. */
  readonly name: string;
  readonly version: string;
  /** As `ResourceBody.body` of delta-xds. */
  readonly body: Uint8Array;
  readonly domains?: readonly string[];
  readonly clusters?: readonly string[];
  readonly eds?: string;
}

/** A resource of one node, or one that is the same for every node: see `ResourceBody` of delta-xds. */
export interface OwnResource {
  readonly version: string;
  readonly body: Uint8Array;
}

/** Key of a compiled resource in the read model and in change notices. */
export const resourceKey = (type: string, variant: string, name: string): string => `${type}|${variant}|${name}`;

/** Facts from which a node's own resources are compiled (listeners, inbound clusters); see contracts, "listeners". */
export interface OwnInputs {
  /** `<service>.<namespace>` of the node. */
  readonly caller: string;
  readonly namespace: string;
  readonly serviceAccount: string | undefined;
  /** Defaults: 127.0.0.1, 15001, no inbound. */
  readonly listen: { readonly address: string; readonly outbound: number; readonly inbound: number | undefined };
  /** The node's registered service, if any. */
  readonly service: ServiceView | undefined;
  /** The node's own endpoint record, if any: without it there is no inbound listener. */
  readonly endpoint: EndpointView | undefined;
  /**
   * The node can ask for clusters by name. Not over the state-of-the-world form: there a name asked for replaces the wildcard, and
   * the node would lose all other clusters (measured, Envoy 1.40).
   */
  readonly onDemand: boolean;
  /** Route configuration that the `outbound` listener names: `outbound`, or a later generation (default `outbound`). */
  readonly routes?: string;
  /** Declared TCP dependencies that this caller may hold, sorted by target. */
  readonly tcp: readonly { readonly servicePort: string; readonly localPort: number }[];
}

export interface OwnResources {
  readonly listeners: ReadonlyMap<string, OwnResource>;
  readonly clusters: ReadonlyMap<string, OwnResource>;
}
