/**
 * What the xDS server needs from the outside: `ResourceSource` and, per stream, a `NodeView`.
 * delta-xds knows neither state nor compile; the runtime joins the read model and compile behind these ports.
 */
import type { ProtoNode } from '../proto/index.ts';
import type { ResourceType } from './resource-type.ts';

/** Which of the two forms of xDS a stream speaks: incremental, or state of the world. */
export type XdsProtocol = 'delta' | 'sotw';

/** One resource as a node may hold it. Immutable: a changed resource is another object with another version. */
export interface ResourceBody {
  /** Content hash (base64url, 16 characters) of body and aliases; the route configuration's name is not part of it. */
  readonly version: string;
  /** Value of the resource's Any. `vhds`: the encoded VirtualHost without its name, which is spliced in when sent. */
  readonly body: Uint8Array;
  /** `vhds`: all domains (host, host:port) that this virtual host answers, lower case. */
  readonly domains?: readonly string[];
  /** `vhds`: cluster names that its routes use; they are sent before it. */
  readonly clusters?: readonly string[];
  /** `cds`: EDS service name when the cluster is of type EDS (it is the cluster's name). */
  readonly eds?: string;
}

/** Who a node is, taken from its first message (contracts, "xDS names"). */
export interface NodeFacts {
  readonly id: string;
  /** `<service>.<namespace>`: whose edges it shares. It need not be a registered service. */
  readonly caller: string;
  readonly namespace: string;
  /** Id of its own endpoint record, when it has one. */
  readonly endpoint?: string;
  readonly serviceAccount?: string;
  readonly region?: string;
  readonly zone?: string;
  /** How long its listeners drain, ms: Envoy's `--drain-time-s`, from metadata `drainTimeMs`. Absent: Envoy's default, 600,000. */
  readonly drainMs?: number;
  /** True when the node asks for api_listener resources (gRPC proxyless). */
  readonly proxyless: boolean;
  /** It says itself which services it needs, beside the edges of its caller (metadata `needs`). */
  readonly needs?: true;
}

/** What came and went from one preload list to a later one. */
export interface PreloadStep {
  readonly came: readonly string[];
  readonly went: readonly string[];
}

/**
 * The mesh as one node may see it: what it may not see (visibility, deny) answers exactly like what does not exist.
 * Every call reads the newest committed state; objects returned are immutable. Lists that did not change should be the same
 * array again: sessions then share them.
 */
export interface NodeView {
  readonly facts: NodeFacts;
  /**
   * `cds`, `eds`: by cluster name (`inbound:<port>` and EDS `local` are the node's own) · `lds`: by listener name ·
   * `rds`: by route configuration name · `vhds`: by canonical service port `<service>.<namespace>:<port>` · others: by name, raw
   * resources alone. A raw resource wins over a compiled one of its name. xdstp names come with their context parameters sorted.
   */
  get(type: ResourceType, name: string): ResourceBody | undefined;
  /** Own listeners (`lds`) and own clusters (`cds`, the `inbound:<port>`), raw bases among both: what a wildcard has without edges. */
  own(type: 'lds' | 'cds'): readonly string[];
  /** Canonical service port for a lower-case authority (`host` or `host:port`), or undefined (unknown, denied, invisible). */
  resolveHost(authority: string): string | undefined;
  /**
   * What its caller may hold and learn, and its TCP targets, but for the preload list of one that learns: equal texts, equal rights. A
   * source without it says: anything may have changed with the caller.
   */
  rights?(): string;
  /** Service ports this node holds without asking: its caller's edges and what it needs itself, already filtered; sorted. */
  preload(): readonly string[];
  /** The service port is in the newest list, where the source knows that without the list; undefined: look there. */
  preloads?(servicePort: string): boolean | undefined;
  /** What differs between two of its lists, where the source knows that without comparing them. */
  preloadStep?(before: readonly string[], after: readonly string[]): PreloadStep | undefined;
  /** Clusters that a held service port needs: those its virtual host's routes use, or the port's own cluster for TCP. */
  clustersOf(servicePort: string): readonly string[];
  /** The service port that a cluster name stands for when the node may learn an edge to it; undefined for own and unknown ones. */
  servicePortOf(cluster: string): string | undefined;
  /** Services that this node may come to hold, at most: its bound on names in one request follows from it. */
  mayHold(): number;
  /**
   * From now on the listener `outbound` names the route configuration of generation `n` (`outboundRoutes`), and differs in nothing
   * else. Before the first call: 0. A view without it knows no other: nothing is renewed.
   */
  useGeneration?(n: number): void;
  /**
   * Service ports of the caller's learned edges that have expired, sorted: a client that asked for them by name holds them still. A view
   * without it: none.
   */
  expired?(): readonly string[];
  /** Label of the last raw event of this node and type: echoed as the type's version, decides nothing (contracts, "Raw resources"). */
  label(type: ResourceType): string | undefined;
}

/**
 * Keys in change notices:
 * `cds|<variant>|<name>`, `eds|<variant>|<name>`, `vhds|<variant>|<service port>`: a shared resource changed, appeared or vanished ·
 * `caller|<service>.<namespace>`: what this caller is preloaded with or denied changed · `caller|*.<namespace>`, `caller|*`: the
 * same for callers without a record of their own · `svc|<service>.<namespace>`: ports, visibility or external hosts changed, so
 * own listeners of its nodes and answers about it may change · `own|<service>.<namespace>|<endpoint id>`: the endpoint record
 * changed · `local|<variant>|<service>.<namespace>`: EDS `local` of this service's nodes changed ·
 * `raw|<node>|<type URL>|<name>`: a raw resource changed, appeared or vanished; `rawset|<node>|<type URL>`: the names or the label
 * of a node's raw resources of a type changed, or whose names they are (node: URI-encoded; empty: every node).
 */
export type ChangeKey = string;

export interface ResourceSource {
  /** The view of one stream's node. Never fails: an unknown caller sees what anybody may see. */
  attach(node: ProtoNode, protocol: XdsProtocol): NodeView;
  /**
   * Moves to the newest committed state and returns the keys changed since the last call; `everything: true` when that is no
   * longer known (too far behind): every session then compares all it holds.
   */
  catchUp(): ChangeSet;
  /**
   * What a name gets that the node asked for and may not have: a cluster without endpoints (compile's `emptyCluster`), an
   * assignment without endpoints (`emptyAssignment`). The same bytes for every node.
   */
  placeholder(type: 'cds' | 'eds', name: string): ResourceBody;
}

export interface ChangeSet {
  readonly epoch: number;
  readonly keys: readonly ChangeKey[];
  readonly everything: boolean;
}
