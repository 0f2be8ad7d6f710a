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
