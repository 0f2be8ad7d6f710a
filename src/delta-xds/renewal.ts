/**
 * When a node goes over to the next generation of its route configuration (`outbound~<n>`).
 *
 * Envoy never gives up a host that it asked for, however long nobody has used it (envoy-wire, section H). A listener that names another
 * route configuration makes it ask afresh; what it held under the old name it drops when the old listener has drained. That ends
 * streams which outlive the drain time, so it is done rarely.
 *
 * Invariants of the decision:
 *  R1 It takes `renewalStale` stale hosts (asked for, held, and their edge expired), and `renewalPercent` of the virtual hosts held
 *     under the generation.
 *  R2 Two renewals of a node are at least `renewalEveryMs` apart, over all streams that this process has had of it. A node that comes
 *     in a later generation, renewed by nobody here knows when, waits as long from the begin of its stream.
 *  R3 Not while the client holds an earlier generation still, or has not acknowledged its listener.
 *  R4 Not while the node has a stream longer than its drain time; where nothing is known of its streams, it may have one
 *     (`renewalUnseen` 1: it has none).
 */
import type { SessionCounters, SessionLimits } from './limits.ts';

export interface RenewalFacts {
  /** Asked hosts whose edges have expired, by service port. */
  readonly stale: number;
  /** Virtual hosts held under the generation. */
  readonly held: number;
  /** The client has its listener and its virtual hosts, and can be told of others. */
  readonly ready: boolean;
  /** It holds an earlier generation still. */
  readonly drains: boolean;
  /** Time of the last renewal, or of the begin of the stream where that is not known; undefined: never renewed. */
  readonly last: number | undefined;
  /** Its longest running stream, ms; undefined: not known. */
  readonly longest: number | undefined;
  /** How long its listeners drain, ms. */
  readonly drainMs: number;
}

/** What holds a renewal back, by the counter that says so. */
export type RenewalHold = keyof Pick<
  SessionCounters,
  'renewalsHeldRecent' | 'renewalsHeldDraining' | 'renewalsHeldUnready' | 'renewalsHeldStreams' | 'renewalsHeldUnseen'
>;

export type RenewalVerdict =
  | { readonly is: 'renew' }
  /** Not enough has gathered. */
  | { readonly is: 'rest' }
  /** `at`: when to look again, ms; 0: what ends it is a message of the client. */
  | { readonly is: 'held'; readonly why: RenewalHold; readonly at: number };

type RenewalLimits = Pick<SessionLimits, 'renewalStale' | 'renewalPercent' | 'renewalEveryMs' | 'renewalUnseen'>;

const REST: RenewalVerdict = { is: 'rest' };
const RENEW: RenewalVerdict = { is: 'renew' };
const LOOK_MS = 60_000;
const LOOK_GRID_MS = 10_000;
const LONGEST_WAIT_MS = 3_600_000;

/** Whoever is held back together looks again together: ten thousand timers are a few. */
const later = (now: number): number => Math.ceil((now + LOOK_MS) / LOOK_GRID_MS) * LOOK_GRID_MS;

export const decideRenewal = (facts: RenewalFacts, limits: RenewalLimits, now: number): RenewalVerdict => {
  const { stale, held, ready, drains, last, longest, drainMs } = facts;
  if (stale < limits.renewalStale || stale * 100 < held * limits.renewalPercent) return REST;
  if (drains) return { is: 'held', why: 'renewalsHeldDraining', at: 0 };
  if (!ready) return { is: 'held', why: 'renewalsHeldUnready', at: 0 };
  if (last !== undefined && now < last + limits.renewalEveryMs)
    return {
      is: 'held',
      why: 'renewalsHeldRecent',
      at: Math.min(last + limits.renewalEveryMs, now + LONGEST_WAIT_MS),
    };
  if (longest === undefined)
    return limits.renewalUnseen === 1 ? RENEW : { is: 'held', why: 'renewalsHeldUnseen', at: later(now) };
  return longest > drainMs ? { is: 'held', why: 'renewalsHeldStreams', at: later(now) } : RENEW;
};
