/**
 * What the agent does about the application: start it, start it again, take it in and out, end it in order. Pure: facts in, effects out;
 * the caller gives a monotonic clock and tells `tick` at `dueAt`.
 *
 * Invariants (cited by test/agent/supervision.test.ts):
 * S1 `spawn` only while no application lives.
 * S2 `in` only after a `ready` of the application that lives; when it ends, is to be ended, or is no longer ready, `out` comes first.
 * S3 At most `most` restarts in any window; then the endpoint is withdrawn and the agent ends with 1.
 * S4 After `stop` nothing is spawned.
 * S5 On the way of `stop` the application gets SIGTERM only after `drained` and the grace; SIGKILL only `killMs` after SIGTERM, or at a
 *    second `stop`.
 * S6 `end` comes once, when no application lives; nothing comes after it.
 * S7 Failures of liveness end an application only if the agent started it, may start it again, and it, or one before it, was ready once.
 *    Otherwise they are said. Those during a start-up count at its end: when it is ready, or the start-up time is over; unless it lives
 *    again by then. Readiness never ends it.
 * S8 An application that is not ready by the end of the start-up time is said once for each start, and left alone but for S7; if none
 *    ever was, the agent does not end with 0.
 */
import { nextRestart } from './restart-budget.ts';
import type {
  SupervisionClock,
  SupervisionEffect,
  SupervisionFact,
  SupervisionOptions,
  SupervisionState,
  SupervisionStep,
} from './supervision-state.ts';

const NEVER = Number.POSITIVE_INFINITY;

const say = (text: string, level: 'info' | 'warn' | 'error' = 'info', code?: string): SupervisionEffect => ({
  is: 'say',
  level,
  text,
  ...(code === undefined ? {} : { code }),
});

const seconds = (ms: number): string => `${Number((ms / 1_000).toFixed(ms < 10_000 ? 1 : 0))} s`;

const ended = (state: SupervisionState, effects: readonly SupervisionEffect[] = []): SupervisionStep => {
  const { failure, wasReady, code = 0 } = state;
  const never = failure === undefined && !wasReady && code === 0;
  const last = never
    ? [say('it ends without the application having been ready once', 'error', 'APP_NEVER_READY')]
    : failure === undefined
      ? []
      : [say(failure.message, 'error', failure.code)];
  return {
    state: { ...state, is: 'ended', dueAt: NEVER },
    effects: [...effects, ...last, { is: 'end', code: failure !== undefined || never ? 1 : code }],
  };
};

const drain = (state: SupervisionState, effects: readonly SupervisionEffect[] = []): SupervisionStep => ({
  // The withdrawal is more than any change of health.
  state: { ...state, is: 'draining', ready: false, dueAt: NEVER },
  effects: [...effects, { is: 'drain' }],
});

/** No application lives any more, and nobody asked for it. */
const lost = (
  before: SupervisionState,
  how: string,
  options: SupervisionOptions,
  { now, random }: SupervisionClock,
): SupervisionStep => {
  const out: readonly SupervisionEffect[] = before.ready ? [{ is: 'out' }] : [];
  const state = { ...before, alive: false, ready: false, dead: undefined };
  if (options.restarts === undefined) return drain(state, [...out, say(`the application ended: ${how}`, 'warn')]);
  const next = nextRestart(state.budget, now, random, options.restarts);
  if (next === undefined) {
    const { most, windowMs } = options.restarts;
    const message = `${most} restarts within ${seconds(windowMs)} were not enough; the last time: ${how}`;
    return drain({ ...state, failure: { code: 'APP_RESTART_LIMIT', message } }, out);
  }
  return {
    state: { ...state, is: 'waiting', dueAt: now + next.waitMs, budget: next.budget },
    effects: [...out, say(`the application ended: ${how}; starting it again in ${seconds(next.waitMs)}`, 'warn')],
  };
};

const terminate = (
  state: SupervisionState,
  is: 'replacing' | 'stopping',
  now: number,
  killMs: number,
): SupervisionStep => ({
  state: { ...state, is, ready: false, dueAt: now + killMs },
  effects: [...(state.ready ? [{ is: 'out' } as const] : []), { is: 'signal', signal: 'SIGTERM' }],
});

const replace = (state: SupervisionState, why: string, now: number, killMs: number): SupervisionStep => {
  const step = terminate({ ...state, dead: undefined }, 'replacing', now, killMs);
  return { ...step, effects: [say(`the application does not live: ${why}; it is ended`, 'warn'), ...step.effects] };
};

const exited = (
  before: SupervisionState,
  fact: { readonly code: number; readonly how: string },
  options: SupervisionOptions,
  clock: SupervisionClock,
): SupervisionStep => {
  const state = { ...before, alive: false, code: fact.code };
  switch (before.is) {
    case 'starting':
    case 'running':
    case 'replacing':
      return lost(state, fact.how, options, clock);
    case 'draining':
      return { state: { ...state, ready: false }, effects: [say(`the application ended: ${fact.how}`, 'warn')] };
    default:
      return ended(state, [say(`the application ended: ${fact.how}`)]);
  }
};

const tick = (state: SupervisionState, why: string, options: SupervisionOptions, now: number): SupervisionStep => {
  const idle = { ...state, dueAt: NEVER };
  switch (state.is) {
    case 'starting': {
      const never = `the application is not ready ${seconds(options.startupMs)} after its start: ${why}`;
      if (state.dead !== undefined && state.wasReady) {
        const step = replace(state, state.dead, now, options.killMs);
        return { ...step, effects: [say(never, 'error', 'APP_NEVER_READY'), ...step.effects] };
      }
      return {
        state: idle,
        effects: [say(`${never}; it is not registered, and goes on being probed`, 'error', 'APP_NEVER_READY')],
      };
    }
    case 'running':
      return { state: { ...idle, budget: { ...state.budget, attempt: 0 } }, effects: [] };
    case 'waiting':
      return {
        state: {
          ...state,
          is: 'starting',
          dueAt: now + options.startupMs,
          restarts: state.restarts + 1,
          code: undefined,
        },
        effects: [{ is: 'spawn' }],
      };
    case 'grace':
      return terminate(state, 'stopping', now, options.killMs);
    case 'replacing':
    case 'stopping':
      return {
        state: idle,
        effects: [
          say(`the application has not ended ${seconds(options.killMs)} after SIGTERM; it is killed`, 'warn'),
          { is: 'signal', signal: 'SIGKILL' },
        ],
      };
    default:
      return { state: idle, effects: [] };
  }
};

const stop = (state: SupervisionState): SupervisionStep => {
  switch (state.is) {
    case 'draining':
    case 'grace':
    case 'stopping': {
      if (!state.alive) return ended(state);
      return { state: { ...state, is: 'stopping', dueAt: NEVER }, effects: [{ is: 'signal', signal: 'SIGKILL' }] };
    }
    default:
      return drain(state);
  }
};

/** The one decision: what follows from a fact. */
export const stepSupervision = (
  state: SupervisionState,
  fact: SupervisionFact,
  options: SupervisionOptions,
  clock: SupervisionClock,
): SupervisionStep => {
  const none: SupervisionStep = { state, effects: [] };
  const { now } = clock;
  if (state.is === 'ended') return none;
  const serves = state.is === 'starting' || state.is === 'running';
  switch (fact.is) {
    case 'begin':
      return {
        state: { ...state, dueAt: now + options.startupMs },
        effects: options.owns ? [{ is: 'spawn' }] : [],
      };
    case 'started':
      return { state: { ...state, alive: true }, effects: [say(`the application is started (pid ${fact.pid})`)] };
    case 'failed': {
      const message = `the application cannot be started: ${fact.why}`;
      if (!serves) return state.is === 'stopping' ? ended(state) : none;
      // What could not be started at all will not be started later.
      if (state.restarts === 0) return ended({ ...state, failure: { code: 'APP_NOT_STARTED', message } });
      return lost(state, message, options, clock);
    }
    case 'exited':
      return exited(state, fact, options, clock);
    case 'ready':
      if (!serves || state.ready) return none;
      if (state.dead !== undefined) return replace({ ...state, wasReady: true }, state.dead, now, options.killMs);
      return {
        state: {
          ...state,
          is: 'running',
          ready: true,
          wasReady: true,
          dueAt: now + (options.restarts?.healthyMs ?? NEVER),
        },
        effects: [say('the application is ready'), { is: 'in' }],
      };
    case 'unready':
      if (!state.ready || !serves) return none;
      return {
        state: { ...state, ready: false, dueAt: NEVER },
        effects: [{ is: 'out' }, say(`the application is not ready: ${fact.why}`, 'warn')],
      };
    case 'dead': {
      const mayEnd = options.owns && options.restarts !== undefined && serves;
      const isStarting = state.is === 'starting' && (state.dueAt !== NEVER || !state.wasReady);
      if (mayEnd && !isStarting) return replace(state, fact.why, now, options.killMs);
      return {
        state: mayEnd ? { ...state, dead: fact.why } : state,
        effects: [say(`the application does not live: ${fact.why}`, 'warn')],
      };
    }
    case 'live':
      return { state: { ...state, dead: undefined }, effects: [] };
    case 'stop':
      return stop(state);
    case 'drained': {
      if (state.is !== 'draining') return none;
      const said = say(fact.how);
      if (!state.alive) return ended(state, [said]);
      return { state: { ...state, is: 'grace', dueAt: now + options.graceMs }, effects: [said] };
    }
    case 'tick':
      return now < state.dueAt ? none : tick(state, fact.why ?? 'no probe has ended', options, now);
  }
};
