/**
 * The life of one lease, as its holder sees it: when to register, to renew, to tell a change of health, to give it back. Pure: facts in,
 * requests out; the caller gives a monotonic clock and asks again at `dueAt`.
 *
 * Invariants (cited by test/sidecar-client/register/lease.test.ts):
 * L1 At most one request is on its way.
 * L2 Nothing is sent before the first `healthy`: an application that never gets ready is never registered.
 * L3 A change of health is told at once while the control plane answers: with the next request, without waiting for the next heartbeat.
 *    While it does not answer, the latest health goes with the next attempt.
 * L4 While it is registered, the next heartbeat is due at most a third of the lease after the last answer.
 * L5 LEASE_UNKNOWN is answered by registering anew. Who was paused beyond the lease sends a heartbeat first: only the control plane knows
 *    whether somebody else has taken the endpoint meanwhile.
 * L6 LEASE_TAKEN is final: nothing is sent any more, so two holders never fight.
 * L7 After `drain` no health but `draining` is sent; it ends when the endpoint is withdrawn, unknown, or another's. What may have been
 *    registered is withdrawn, also when no answer has come.
 * L8 Nothing is sent after the end, and `gone` comes once.
 */
import { type BackoffOptions, backoffMs } from '../backoff.ts';

/** As in `endpoint.registered`. */
export type Health = 'healthy' | 'unhealthy' | 'draining';

export type LeasePhase =
  /** Not ready yet: nothing was sent. */
  | 'waiting'
  | 'registering'
  | 'registered'
  /** The control plane does not answer; it is tried again. */
  | 'unreachable'
  /** The control plane refuses the registration; it is tried again, seldom. */
  | 'refused'
  /** Another process holds the endpoint. */
  | 'taken'
  | 'draining'
  | 'ended';

export interface LeaseState {
  readonly phase: LeasePhase;
  /** What the application is; undefined: never ready so far. */
  readonly wanted: Health | undefined;
  /** What the control plane was last told, and took. */
  readonly known: Health | undefined;
  /** On its way, since when. */
  readonly request:
    | { readonly is: 'put' | 'beat' | 'remove'; readonly health?: Health; readonly at: number }
    | undefined;
  /** When the next request is due, by the caller's clock; Infinity: not before something happens. */
  readonly dueAt: number;
  /** Attempts without an answer, in a row. */
  readonly failures: number;
  readonly ttlMs: number;
  /** The control plane has the lease, as far as is known. */
  readonly held: boolean;
  /** A registration was sent at some time: it may have arrived. */
  readonly tried: boolean;
  /** When the last request that renewed it was sent. */
  readonly renewedAt: number | undefined;
  /** Why the last request failed. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  /** Who has taken it. */
  readonly holder: string | undefined;
}

export type LeaseAnswer =
  | { readonly is: 'ok'; readonly ttlMs?: number; readonly offset?: number }
  | { readonly is: 'unknown' }
  | { readonly is: 'taken'; readonly holder: string }
  | { readonly is: 'refused'; readonly code: string; readonly message: string }
  | { readonly is: 'away'; readonly code: string; readonly message: string };

export type LeaseFact =
  | { readonly is: 'health'; readonly health: 'healthy' | 'unhealthy' }
  | { readonly is: 'tick' }
  | { readonly is: 'answer'; readonly answer: LeaseAnswer }
  | { readonly is: 'drain' }
  /** Patience has ended: the lease is left to run out. */
  | { readonly is: 'end' };

export type LeaseEffect =
  | { readonly is: 'put'; readonly health: Health }
  /** Without health: nothing has changed. */
  | { readonly is: 'beat'; readonly health?: Health }
  | { readonly is: 'remove' }
  /**
   * It has ended. `offset`: of the withdrawal; undefined: there was nothing to withdraw, or nobody said. `remains`: what was sent may
   * have registered it, and nobody confirmed that it is gone: it is left to run out.
   */
  | { readonly is: 'gone'; readonly withdrawn: boolean; readonly offset?: number; readonly remains?: true };

export interface LeaseClock {
  /** Monotonic, ms. */
  readonly now: number;
  /** [0, 1). */
  readonly random: () => number;
}

export interface LeaseStep {
  readonly state: LeaseState;
  readonly effects: readonly LeaseEffect[];
}

/** A registration that is refused does not get better soon. */
const REFUSED_MS = 30_000;
/** Heartbeats are spread over the last fifth before a third of the lease. */
const EARLIEST = 0.8;

export const freshLease = (ttlMs: number): LeaseState => ({
  phase: 'waiting',
  wanted: undefined,
  known: undefined,
  request: undefined,
  dueAt: Number.POSITIVE_INFINITY,
  failures: 0,
  ttlMs,
  held: false,
  tried: false,
  renewedAt: undefined,
  error: undefined,
  holder: undefined,
});

/** A lease of 3 s is tried six times before it ends, a longer one at least every 5 s. */
const backoffOf = (ttlMs: number): BackoffOptions => ({
  baseMs: Math.min(200, ttlMs / 6),
  maxMs: Math.min(5_000, ttlMs / 6),
});

const NEVER = Number.POSITIVE_INFINITY;

const isOver = ({ phase }: LeaseState): boolean => phase === 'ended' || phase === 'taken';

const ended = (
  state: LeaseState,
  withdrawn: boolean,
  more: { readonly offset?: number; readonly remains?: true } = {},
): LeaseStep => ({
  state: { ...state, phase: 'ended', request: undefined, dueAt: NEVER, held: false },
  effects: [{ is: 'gone', withdrawn, ...more }],
});

/** The request that is due, if none is on its way. */
const act = (state: LeaseState, now: number): LeaseStep => {
  const { wanted, known, held, phase } = state;
  if (state.request !== undefined || isOver(state) || now < state.dueAt) return { state, effects: [] };
  const send = (effect: Exclude<LeaseEffect, { is: 'gone' }>): LeaseStep => {
    const health = 'health' in effect ? effect.health : undefined;
    return {
      state: {
        ...state,
        request: { is: effect.is, at: now, ...(health === undefined ? {} : { health }) },
        dueAt: NEVER,
        tried: true,
        phase: effect.is === 'put' && phase === 'waiting' ? 'registering' : phase,
      },
      effects: [effect],
    };
  };
  if (phase === 'draining') {
    if (!state.tried) return ended(state, false);
    // Told once; whether or not it was taken, the withdrawal follows.
    return held && known !== 'draining' && state.error === undefined
      ? send({ is: 'beat', health: 'draining' })
      : send({ is: 'remove' });
  }
  if (wanted === undefined) return { state: { ...state, dueAt: NEVER }, effects: [] };
  if (!held) return send({ is: 'put', health: wanted });
  return send(wanted === known ? { is: 'beat' } : { is: 'beat', health: wanted });
};

const answered = (before: LeaseState, answer: LeaseAnswer, { now, random }: LeaseClock): LeaseStep => {
  const { request, ...rest } = before;
  if (request === undefined || isOver(before)) return { state: before, effects: [] };
  const state: LeaseState = { ...rest, request: undefined };
  const draining = state.phase === 'draining';
  switch (answer.is) {
    case 'ok': {
      if (request.is === 'remove')
        return ended(state, true, answer.offset === undefined ? {} : { offset: answer.offset });
      const ttlMs = answer.ttlMs ?? state.ttlMs;
      const known = request.health ?? state.known;
      const soon = draining || known !== state.wanted;
      return act(
        {
          ...state,
          phase: draining ? 'draining' : 'registered',
          held: true,
          known,
          ttlMs,
          failures: 0,
          renewedAt: request.at,
          error: undefined,
          dueAt: soon ? now : now + (ttlMs / 3) * (EARLIEST + (1 - EARLIEST) * random()),
        },
        now,
      );
    }
    case 'unknown':
      if (request.is === 'remove') return ended(state, false);
      return act(
        {
          ...state,
          phase: draining ? 'draining' : 'registering',
          held: false,
          known: undefined,
          failures: 0,
          dueAt: now,
        },
        now,
      );
    case 'taken':
      if (draining) return ended({ ...state, holder: answer.holder }, false);
      return { state: { ...state, phase: 'taken', held: false, holder: answer.holder, dueAt: NEVER }, effects: [] };
    case 'refused':
    case 'away': {
      const { code, message } = answer;
      const wait =
        answer.is === 'refused' && !draining
          ? REFUSED_MS * (EARLIEST + (1 - EARLIEST) * random())
          : backoffMs(state.failures, random, backoffOf(state.ttlMs));
      return {
        state: {
          ...state,
          phase: draining ? 'draining' : answer.is === 'refused' ? 'refused' : 'unreachable',
          failures: state.failures + 1,
          error: { code, message },
          dueAt: now + wait,
        },
        effects: [],
      };
    }
  }
};

/** The one decision: what follows from a fact. */
export const stepLease = (state: LeaseState, fact: LeaseFact, clock: LeaseClock): LeaseStep => {
  const { now } = clock;
  if (state.phase === 'ended') return { state, effects: [] };
  switch (fact.is) {
    case 'health': {
      if (state.phase === 'draining' || state.phase === 'taken') return { state, effects: [] };
      if (state.wanted === undefined && fact.health !== 'healthy') return { state, effects: [] };
      const isNews = fact.health !== state.known && (state.failures === 0 || state.wanted === undefined);
      return act({ ...state, wanted: fact.health, dueAt: isNews ? Math.min(state.dueAt, now) : state.dueAt }, now);
    }
    case 'tick':
      return act(state, now);
    case 'answer':
      return answered(state, fact.answer, clock);
    case 'drain':
      if (state.phase === 'draining') return { state, effects: [] };
      if (state.phase === 'taken') return ended(state, false);
      return act({ ...state, phase: 'draining', wanted: 'draining', dueAt: now }, now);
    case 'end':
      return ended(state, false, state.tried && state.phase !== 'taken' ? { remains: true } : {});
  }
};
