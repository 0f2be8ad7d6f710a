/** What the server tells of one stream of one node. */
import type { AdsStream } from './ads-stream.ts';
import type { TypeStatus } from './stream-session.ts';

/** One stream of one node. */
export interface SessionStatus {
  readonly node: string;
  readonly caller: string;
  readonly namespace: string;
  readonly endpoint?: string;
  /** It says itself which services it needs. */
  readonly needs?: true;
  readonly peer: string;
  /** ms since the epoch. */
  readonly since: number;
  /** `serviceBytes`: resources of services alone, without the node's own listeners and inbound clusters. */
  readonly sent: {
    readonly responses: number;
    readonly resources: number;
    readonly bytes: number;
    readonly serviceBytes: number;
  };
  /** Service ports held. */
  readonly servicePorts: number;
  /** Generation of its route configuration (`outbound~<n>`), and virtual hosts held under it whose edges have expired. */
  readonly generation: number;
  readonly stale: number;
  readonly types: readonly TypeStatus[];
}

/** Undefined: it has not said who it is. */
export const sessionStatus = (stream: AdsStream): SessionStatus | undefined => {
  const session = stream.member?.session;
  if (session === undefined) return undefined;
  const { id, caller, namespace, endpoint, needs } = session.facts;
  return {
    node: id,
    caller,
    namespace,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(needs === undefined ? {} : { needs }),
    peer: stream.peer,
    since: stream.since,
    sent: stream.sent,
    servicePorts: session.servicePorts(),
    generation: session.generation,
    stale: session.stale,
    types: session.status(),
  };
};
