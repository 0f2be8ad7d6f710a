/**
 * What the checks across documents may look at. The fold implements it over the state **as the whole batch would leave
 * it**, so order inside a batch does not matter. Reading only; nothing here may change while a check runs.
 */
import type { Health, InterfaceSpec, ServicePortSpec, Visibility } from '../event-schema.ts';
import type { JsonObject } from './json.ts';
import type { LayeredKind } from './kinds.ts';

/** A service as served: the highest-ranked facet. `ServiceView` of compile fits. */
export interface LookupService {
  readonly namespace: string;
  readonly ports: readonly ServicePortSpec[];
  readonly labels: Readonly<Record<string, string>>;
  readonly interfaces: readonly InterfaceSpec[];
  /** Lower case. */
  readonly externalHosts: readonly string[];
  readonly visibility: Visibility;
}

/** `EndpointView` of compile fits. */
export interface LookupEndpoint {
  readonly id: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Absent: healthy. */
  readonly health?: Health;
}

/** A stored policy document of a layered kind. */
export interface LayerDocument {
  /** `Kind/namespace/name`. */
  readonly document: string;
  /** Scope key, see `scopeKey`. */
  readonly scope: string;
  readonly spec: JsonObject;
}

/** All that decides whether a batch is rejected: a function of the log only. */
export interface MeshLookup {
  /** By `<service>.<namespace>`; undefined when not registered. */
  service(name: string): LookupService | undefined;
  /** Documents of a kind that have exactly this scope, in any order. */
  documents(kind: LayeredKind, scope: string): readonly LayerDocument[];
  /** All documents of a kind, in any order. Read when subsets or ports go, and for documents of namespace or mesh scope. */
  documentsOf(kind: LayeredKind): Iterable<LayerDocument>;
  /** Services that claim this external host (lower case), `<service>.<namespace>`. */
  hostOwners(host: string): readonly string[];
  /** Ports that the log knows the sidecars of a caller to listen on (`inbound` of its endpoints), and for what. */
  listenPorts(caller: string): Iterable<{ readonly port: number; readonly owner: string }>;
}

/** What warnings look at besides; a `plan` or the answer to `apply` calls them, the fold need not. */
export interface MeshUsageLookup extends MeshLookup {
  /** All registered services. */
  services(): Iterable<readonly [name: string, service: LookupService]>;
  /** Endpoints as served; empty for an unknown service. */
  endpoints(service: string): Iterable<LookupEndpoint>;
  /** Sources that report this endpoint, Service documents left out. */
  endpointSources(service: string, id: string): readonly string[];
  /** Connected sidecars of the callers of a service (0: none known). */
  callerSidecars(service: string): number;
  /** Callees that this caller used, with the last time seen (ms since the epoch, log time). */
  usedEdges(caller: string): Iterable<{ readonly to: string; readonly lastSeen: number }>;
  /** Callers known to the mesh (registered services or callers of edges), `<service>.<namespace>`. */
  callers(): Iterable<string>;
  /** Log time of the question, ms since the epoch. */
  readonly now: number;
}
