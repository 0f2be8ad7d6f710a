/**
 * What a session asks its surroundings to do: data, executed in order by `ads-stream.ts`, which decides nothing.
 */
import type { ResourceType } from './resource-type.ts';
import type { Shape } from './shapes.ts';

/** One resource in a response. */
export interface SentResource {
  /** Name on the wire; of a virtual host `<route configuration>/<service port>`. */
  readonly name: string;
  readonly version: string;
  /** Value of the Any; undefined: a body-less resource, "this host does not exist". */
  readonly body: Uint8Array | undefined;
  /** Virtual hosts: `<route configuration>/`, put before every domain to make its alias. */
  readonly prefix: string;
  readonly domains: readonly string[];
  /** Aliases that do not follow from the domains: the name asked for. */
  readonly extra: readonly string[];
  /** A negative answer that the session does not remember either: nobody keeps a record of it. */
  readonly unrecorded?: true;
}

const NONE: readonly string[] = [];

/** A resource without aliases. */
export const plainResource = (name: string, version: string, body: Uint8Array): SentResource => ({
  name,
  version,
  body,
  prefix: '',
  domains: NONE,
  extra: NONE,
});

/** Names that Envoy matches parked questions against (Resource.aliases). */
export const aliasesOf = ({ prefix, domains, extra }: SentResource): readonly string[] =>
  domains.length === 0 ? extra : [...domains.map((domain) => prefix + domain), ...extra];

/** Write one response. */
export interface SendEffect {
  readonly kind: 'send';
  readonly type: ResourceType;
  readonly nonce: string;
  readonly resources: readonly SentResource[];
  readonly removed: readonly string[];
  /** `resources` is the one list that all sessions send of this resource (`SharedShapes.alone`), and nothing is removed. */
  alone?: true;
  /** State of the world: `version_info`, unless the type is labelled. Delta: undefined. */
  readonly versionInfo?: string;
  /** Label of the node's raw resources of this type: echoed as the version of the type, instead of what it would be. */
  label?: string;
}

/** One resource of a response, as the ledger remembers it. */
export interface Item {
  readonly name: string;
  readonly version: string;
  /** What the client then holds; `GONE`: a removal; undefined: a negative answer. */
  readonly shape: Shape | undefined;
  /** Items with the same number were bound to be in one response (a domain moves between them). */
  readonly atom: number;
  /** As in `SentResource`. */
  readonly unrecorded?: true;
}

export interface AckedEffect {
  readonly kind: 'acked';
  readonly type: ResourceType;
  readonly nonce: string;
  readonly items: readonly Item[];
}

export interface RejectedEffect {
  readonly kind: 'rejected';
  readonly type: ResourceType;
  readonly nonce: string;
  readonly items: readonly Item[];
  readonly code: number;
  readonly message: string;
  /** The items are what the client cannot take: parked until they change. False: they will be sent again in smaller responses. */
  readonly final: boolean;
}

/** The node proved an edge by asking. */
export interface ObserveEffect {
  readonly kind: 'observe';
  readonly from: string;
  /** Canonical service port. */
  readonly to: string;
  /** Named again by a client that holds it from before: it proves the edge, and no use. */
  readonly held?: true;
}

/** Subjects (see `SharedShapes.subjectOf`) whose changes concern this session, since the last such effect. */
export interface InterestEffect {
  readonly kind: 'interest';
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  /** True: unknown hosts wait for a service that answers them. */
  readonly waiting: boolean;
}

/** Call `onTick` at this time, ms of the caller's clock. Replaces an earlier one. */
export interface TimerEffect {
  readonly kind: 'timer';
  readonly at: number;
}

/** The session holds more back: call `onDrained` when the transport has taken what was sent. */
export interface PauseEffect {
  readonly kind: 'pause';
}

/** The node has asked for more than its share: read nothing of this stream before this time, ms of the caller's clock. */
export interface ThrottleEffect {
  readonly kind: 'throttle';
  readonly until: number;
}

/** End the stream with a gRPC status. */
export interface CloseEffect {
  readonly kind: 'close';
  readonly code: number;
  readonly message: string;
}

export type Effect =
  | SendEffect
  | AckedEffect
  | RejectedEffect
  | ObserveEffect
  | InterestEffect
  | TimerEffect
  | PauseEffect
  | ThrottleEffect
  | CloseEffect;
