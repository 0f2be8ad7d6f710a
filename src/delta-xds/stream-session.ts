/** What the hub and the stream know of a session, whichever form of xDS it speaks. */
import type { DeltaRequest, StateRequest } from '../proto/index.ts';
import type { ChangeItem } from './change.ts';
import type { Effect } from './effect.ts';
import type { NodeFacts } from './resource-source.ts';
import type { ResourceType } from './resource-type.ts';

/** One message of a client; its form is that of its stream. */
export type XdsRequest = DeltaRequest | StateRequest;

/** One resource at one client. */
export interface HeldResource {
  readonly type: ResourceType;
  /** Name on the wire. */
  readonly name: string;
  /** Last version sent; '' while a removal is on its way. */
  readonly version: string;
  /** Last version known to be taken. */
  readonly acked?: string;
  /** Version that the client refused. */
  readonly refused?: string;
  /** Asked for by this very name; a virtual host: by a host that it answers. */
  readonly asked: boolean;
  /** In line to be compared with what is now. */
  readonly due?: true;
}

/** One type on one stream, in short. */
export interface TypeStatus {
  readonly type: ResourceType;
  readonly wildcard: boolean;
  readonly asked: number;
  readonly held: number;
  readonly unacked: number;
  readonly parked: number;
  /** Names that wait for their turn. */
  readonly pending: number;
  readonly lastError?: { readonly code: number; readonly message: string };
}

export interface StreamSession {
  readonly facts: NodeFacts;
  /** Subjects whose changes concern this session, as announced by interest effects. */
  readonly subjects: ReadonlySet<string>;
  /** Asked hosts that nothing answers so far. */
  readonly waiting: number;
  /** Generation of its route configuration. */
  readonly generation: number;
  /** Virtual hosts that it asked for and holds though their edges have expired, as last counted. */
  readonly stale: number;
  /** True when the answer must come from the newest state; an ACK needs none. */
  asks(request: XdsRequest): boolean;
  /** One message of the client. */
  onRequest(request: XdsRequest, now: number): Effect[];
  /** Something may have changed; the newest state is read through the view. */
  onChange(items: readonly ChangeItem[], now: number): Effect[];
  /** Notes changes without acting on them: before a question is answered. */
  note(items: readonly ChangeItem[]): void;
  /** The time of the last timer effect has come. */
  onTick(now: number): Effect[];
  /** The transport is full: nothing is sent until `onDrained`. */
  hold(): void;
  /** The transport has taken everything. */
  onDrained(now: number): Effect[];
  /** Version of a resource that the client is known to have taken; undefined: none. */
  takenVersion(type: ResourceType, name: string): string | undefined;
  status(): TypeStatus[];
  /** Types with resources that the client refuses, and how many: what a scrape of all sessions asks for, so next to nothing for most. */
  parkedNow(): readonly (readonly [type: ResourceType, count: number])[];
  /** Service ports of which the client holds a cluster: subsets count with their service, own clusters not at all. */
  servicePorts(): number;
  /** Everything the client holds, as far as the server knows. */
  resources(): HeldResource[];
}

/** Service ports among cluster names: subsets count with their port, own clusters not at all. */
export const servicePortsIn = (clusters: Iterable<string>): number => {
  const ports = new Set<string>();
  for (const name of clusters) if (!name.startsWith('inbound:')) ports.add(name.split('/', 1)[0] ?? name);
  return ports.size;
};
