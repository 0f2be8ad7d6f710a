/**
 * What a compiler and the dependency graph read: documents of one service port after merging, in normal form (policies.md
 * sections 3, 5, 7). Types only; `resolve-*.ts` makes the values.
 *
 * Normal form: durations are whole milliseconds, every default is filled in, lists have a fixed order (so that equal
 * meaning gives equal bytes, whatever order documents were applied in), text matchers are tagged unions.
 * Only fields that this version compiles are here.
 */

/** Where a value came from. A value without an entry is the built-in default. */
export interface Provenance {
  /** `Kind/namespace/name`. */
  readonly document: string;
  /** Scope key of that document: `mesh`, `ns:<ns>`, `svc:<svc.ns>`, `svc:<svc.ns>:<port>`. */
  readonly scope: string;
  /** RFC 6901 pointer into that document, e.g. `/spec/timeout`. */
  readonly pointer: string;
}

/** By RFC 6901 pointer of the field in normal form, e.g. `/spec/retry/attempts`. */
export type ProvenanceMap = ReadonlyMap<string, Provenance>;

/** Envoy `type.v3.FractionalPercent`: numerator 0..1,000,000. */
export interface FractionalPercent {
  readonly numerator: number;
  readonly denominator: 'MILLION';
}

interface TextMatchFlags {
  readonly ignoreCase: boolean;
  /** The condition holds when the text does not match (an absent header then holds too). */
  readonly not: boolean;
}

export interface ValueTextMatch extends TextMatchFlags {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex';
  /** `regex`: RE2, matches the whole value. */
  readonly value: string;
}

export interface InTextMatch extends TextMatchFlags {
  readonly kind: 'in';
  /** At least one, sorted, without repeats. */
  readonly values: readonly string[];
}

export interface PresentTextMatch extends TextMatchFlags {
  readonly kind: 'present';
  readonly present: boolean;
}

export interface RangeMatch extends TextMatchFlags {
  readonly kind: 'range';
  /** Whole number, inclusive. */
  readonly from: number;
  /** Whole number, exclusive. */
  readonly to: number;
}

/** Matcher **M** of policies.md section 1. */
export type TextMatch = ValueTextMatch | InTextMatch | PresentTextMatch;
export type HeaderMatch = TextMatch | RangeMatch;

export interface PathMatch {
  /**
   * `prefix` means whole segments: `/v2` takes `/v2` and `/v2/x`, not `/v20`. Values `/` and those that end in `/` are kept
   * as written (Envoy refuses them in `path_separated_prefix`, they need plain `prefix`).
   */
  readonly kind: 'exact' | 'prefix' | 'regex';
  readonly value: string;
  readonly ignoreCase: boolean;
}

export interface GrpcMatch {
  /** Full name of the interface, e.g. `shop.Cart`. */
  readonly service: string;
  /** Absent: all methods. */
  readonly method: string | undefined;
}

/** All conditions hold together; the entries of `paths` and `methods` are alternatives. Everything empty: matches all. */
export interface ResolvedMatch {
  /** Empty: any path. Several only for `path.in`. Excludes `grpc`. */
  readonly paths: readonly PathMatch[];
  /** Empty: any method. Sorted. */
  readonly methods: readonly string[];
  /** Names in lower case, sorted by name. */
  readonly headers: readonly { readonly name: string; readonly match: HeaderMatch }[];
  /** Sorted by name. */
  readonly query: readonly { readonly name: string; readonly match: TextMatch }[];
  readonly grpc: GrpcMatch | undefined;
}

export interface ResolvedRouteTarget {
  /** The key as written in `to`. */
  readonly key: string;
  /** `<service>.<namespace>`; the called service itself for `*` and for a bare subset. */
  readonly service: string;
  /**
   * Port given by the target; the called port for `*` and a bare subset. Undefined for another service without a port:
   * then the same port number if that service has it, else its lowest HTTP port.
   */
  readonly port: number | undefined;
  readonly subset: string | undefined;
  /** 0..1,000,000, relative to the sum of the list. */
  readonly weight: number;
}

export interface ResolvedRetry {
  /** 0..10 tries after the first; 0: no retries. */
  readonly attempts: number;
  /** Limit per try; undefined: none. */
  readonly tryTimeoutMs: number | undefined;
  readonly when: {
    readonly connect: boolean;
    readonly refused: boolean;
    readonly unprocessed: boolean;
    readonly reset: boolean;
    readonly gateway: boolean;
    /** 400..599, ascending. */
    readonly status: readonly number[];
    /** Sorted. */
    readonly grpc: readonly GrpcRetryStatus[];
  };
}

/** Words of Envoy's `retry_on` for gRPC. */
export type GrpcRetryStatus = 'cancelled' | 'deadline-exceeded' | 'internal' | 'resource-exhausted' | 'unavailable';

export interface ResolvedRouteRule {
  /** Rule name; undefined for `spec` itself. */
  readonly name: string | undefined;
  /** -1000..1000, lower is tried first; 0 for `spec` itself. */
  readonly order: number;
  /** For `spec` itself: matches all. */
  readonly match: ResolvedMatch;
  /** At least one, sorted by key, the sum of weights above 0. */
  readonly targets: readonly ResolvedRouteTarget[];
  /** Whole request with its retries; 0: none. */
  readonly timeoutMs: number;
  /** 0: none. Always to be emitted. Default 5 minutes, 0 on ports of protocol grpc. */
  readonly idleTimeoutMs: number;
  readonly retry: ResolvedRetry;
  /**
   * The document named in Envoy's route metadata (`tendril{document, rule}`): who set `match`, else `to`, else the
   * narrowest that took part; undefined when all is built in.
   */
  readonly document: string | undefined;
  readonly provenance: ProvenanceMap;
}

/** Route of one service port. */
export interface ResolvedRoute {
  /** `spec` itself: the last in evaluation, takes what no rule took. */
  readonly default: ResolvedRouteRule;
  /** Special cases of this port in evaluation order (policies.md section 3). Rules with another `match.port` are left out. */
  readonly rules: readonly ResolvedRouteRule[];
  /** All documents that took part, sorted. */
  readonly documents: readonly string[];
}

export type ResolvedLoadBalancing =
  | { readonly kind: 'roundRobin' }
  /** choices: 2..10 */
  | { readonly kind: 'leastRequest'; readonly choices: number }
  | { readonly kind: 'random' }
  /** Ring sizes undefined: Envoy's own defaults. boundPercent: whole, >= 100; undefined: unbounded. */
  | {
      readonly kind: 'ringHash';
      readonly minRing: number | undefined;
      readonly maxRing: number | undefined;
      readonly boundPercent: number | undefined;
    }
  /** table: prime <= 5000011; undefined: Envoy's own default. */
  | { readonly kind: 'maglev'; readonly table: number | undefined; readonly boundPercent: number | undefined };

export type ResolvedHashKey =
  /** name in lower case */
  | { readonly kind: 'header'; readonly name: string }
  /** ttlMs undefined: Envoy reads the cookie and makes none; 0: session cookie. */
  | { readonly kind: 'cookie'; readonly name: string; readonly ttlMs: number | undefined }
  | { readonly kind: 'query'; readonly name: string }
  | { readonly kind: 'ip' };

export interface ResolvedLimits {
  /** Per caller sidecar and cluster; 4294967295: unlimited (always to be emitted: unset is 1024 in Envoy). */
  readonly connections: number;
  readonly pending: number;
  readonly requests: number;
  /** Connections per endpoint; undefined: unlimited, not emitted. */
  readonly perEndpoint: number | undefined;
  /** Requests until a connection is made anew; undefined: unlimited, not emitted. */
  readonly requestsPerConnection: number | undefined;
  /** 0..100, up to 4 decimals (Envoy has `type.v3.Percent`, a double, here). */
  readonly retryPercent: number;
  /** 0..4294967295. */
  readonly minRetries: number;
}

export interface ResolvedOutlier {
  /** 0: off. */
  readonly consecutive5xx: number;
  /** 0: off. */
  readonly consecutiveGateway: number;
  readonly ejectTimeMs: number;
  /** >= ejectTimeMs. */
  readonly maxEjectTimeMs: number;
  /** 1..100, whole. */
  readonly maxPercent: number;
  readonly intervalMs: number;
}

export interface ResolvedUpstreamSettings {
  readonly lb: ResolvedLoadBalancing;
  /** In order of trial; empty unless `lb` is ringHash or maglev. The base's list is for all routes of the service. */
  readonly hash: readonly ResolvedHashKey[];
  readonly zoneAware: boolean;
  /** 0..100, up to 4 decimals (Envoy has `type.v3.Percent`, a double, here). */
  readonly panicPercent: number;
  readonly limits: ResolvedLimits;
  /** Undefined: no outlier detection. */
  readonly outlier: ResolvedOutlier | undefined;
  readonly provenance: ProvenanceMap;
}

export interface ResolvedSubset {
  readonly name: string;
  /** Endpoints that have all of these belong to the subset. At least one, sorted by key. */
  readonly labels: readonly { readonly key: string; readonly value: string }[];
  /** The base's settings with this subset's overrides. */
  readonly settings: ResolvedUpstreamSettings;
}

/** Upstream of one service port. */
export interface ResolvedUpstream {
  readonly base: ResolvedUpstreamSettings;
  /** Sorted by name. A cluster is made only where a route uses it. */
  readonly subsets: readonly ResolvedSubset[];
  /** All documents that took part, sorted. */
  readonly documents: readonly string[];
}

export interface ResolvedDependencyTarget {
  /** The key as written: `<service>.<namespace>[:port]`, either label may be `*`. */
  readonly key: string;
  /** Name of the service, `*`: every one. */
  readonly name: string;
  /** `*`: every one. */
  readonly namespace: string;
  /** Undefined: all ports. */
  readonly port: number | undefined;
  /** True when `name` or `namespace` is `*`. */
  readonly glob: boolean;
  /** Never expires. False where `deny` is true. */
  readonly pin: boolean;
  /** Never delivered, answered like unknown. A deny wins over every other entry that takes the same service. */
  readonly deny: boolean;
  /** TCP: the port on the caller's listen address. */
  readonly localPort: number | undefined;
  /** The narrowest document that names this target. */
  readonly document: string;
}

export interface ResolvedDependencySelector {
  readonly name: string;
  /** Services that have all of these are taken. At least one, sorted by key. */
  readonly labels: readonly { readonly key: string; readonly value: string }[];
  /** Sorted; empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly pin: boolean;
  readonly deny: boolean;
  readonly document: string;
}

/** What the documents say of one caller service; edges of events and learned edges come beside it. */
export interface ResolvedDependency {
  /** Sorted by key. */
  readonly to: readonly ResolvedDependencyTarget[];
  /** Sorted by name. */
  readonly select: readonly ResolvedDependencySelector[];
  /** False: only declared edges; unknown hosts answer 404. */
  readonly learn: boolean;
  /** Life of a learned edge after its last use, ms, at least 10 minutes. */
  readonly ttlMs: number;
  /** All documents that took part, sorted. */
  readonly documents: readonly string[];
}
