/** What a relay session asks its surroundings to do, and what it counts. */
import type { RawResource } from './wire.ts';

export type RelayEffect =
  | { readonly kind: 'to-envoy'; readonly bytes: Uint8Array }
  | { readonly kind: 'to-control-plane'; readonly bytes: Uint8Array }
  | { readonly kind: 'keep'; readonly typeUrl: string; readonly resource: RawResource }
  | { readonly kind: 'drop'; readonly typeUrl: string; readonly name: string }
  /** Call `onSettleOver` when some seconds have passed. */
  | { readonly kind: 'settle' };

export interface RelayCounters {
  /** Responses passed on from a control plane, and resources in them. */
  relayed: number;
  relayedResources: number;
  /** Responses made here, and resources in them. */
  local: number;
  localResources: number;
  /** Responses that Envoy refused. */
  refused: number;
  /** Streams of a control plane begun. */
  upstreams: number;
}

/**
 * connecting: nothing is known yet; away: no control plane; joining: one is there, Envoy still has responses to answer;
 * up: messages pass.
 */
export type RelayState = 'connecting' | 'away' | 'joining' | 'up';

/** What an Envoy speaks: delta, or the state of the world. */
export type RelayForm = 'delta' | 'sotw';

/** The pure machine of one Envoy stream, in either form. */
export interface RelayMachine {
  readonly counters: RelayCounters;
  readonly state: RelayState;
  /** Name of the node; undefined before Envoy's first message. */
  readonly nodeId: string | undefined;
  /** A control plane has been asked by an Envoy that holds nothing, and has said nothing; the last good configuration would answer. */
  readonly starving: boolean;
  /** Envoy holds it, or was sent it. */
  holds(typeUrl: string, name: string): boolean;
  /** Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`: the stream cannot go on. */
  onRequest(bytes: Uint8Array): RelayEffect[];
  /** A control plane can be reached: a stream to it is open, and nothing has been said on it. */
  onReady(): RelayEffect[];
  /** Envoy has had its time to answer what it was sent. */
  onSettleOver(): RelayEffect[];
  /** Throws `TendrilError` `XDS_MALFORMED` or `XDS_LIMIT`: this control plane is to be left. */
  onResponse(bytes: Uint8Array): RelayEffect[];
  /** The control plane's stream has ended, or none of them could be reached. */
  onLost(): RelayEffect[];
  /** Envoy's stream has ended: gives back what its responses took of the budget. */
  onEnd(): void;
}
