/** Registers an application under a lease: carries out what the lease decides, and probes the application. */
import { randomUUID } from 'node:crypto';
import { callUser } from '../user-code.ts';
import { type Acknowledged, acknowledged } from './acknowledgements.ts';
import { AdminApi } from './admin-api.ts';
import { freshLease, type LeaseEffect, type LeaseFact, type LeasePhase, type LeaseState, stepLease } from './lease.ts';
import { LeaseRequests } from './lease-requests.ts';
import { fullOptions, type RegisterOptions } from './options.ts';
import { Prober } from './probes/index.ts';
import { nextVerdict, UNKNOWN, type Verdict } from './verdict.ts';

export interface RegistrationState {
  readonly is: LeasePhase;
  /** `<service>.<namespace>` */
  readonly service: string;
  readonly endpoint: string;
  /** Undefined: not known before the control plane was reached. */
  readonly address?: string;
  /** As the control plane was last told; undefined: nothing yet. */
  readonly health?: 'healthy' | 'unhealthy' | 'draining';
  readonly leaseMs: number;
  /** Of this process. */
  readonly holder: string;
  /** Since the last heartbeat that was answered, ms. */
  readonly renewedAgoMs?: number;
  /** Why the last request failed. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Who has taken the endpoint. */
  readonly takenBy?: string;
  /** It is registered, and nobody can call it: why. Looked at when it is registered, and with every heartbeat while it lasts. */
  readonly obstacle?: string;
  /** Last result of the probe. */
  readonly probe?: { readonly is: Verdict['is']; readonly ok: boolean; readonly why: string; readonly output?: string };
}

export interface Drained {
  /** The control plane confirmed the withdrawal. False: see `remains`. */
  readonly withdrawn: boolean;
  /** Nobody confirmed that it is gone: what is registered goes when its lease runs out. False, and not withdrawn: it is not registered, or is another's. */
  readonly remains: boolean;
  /** Nobody holds the endpoint any more. */
  readonly acknowledged: boolean;
  /** Sidecars that had not acknowledged at the end of patience, and control planes that did not answer. */
  readonly waiting: readonly string[];
  readonly silent: readonly string[];
  readonly tookMs: number;
}

export interface Registration {
  readonly state: RegistrationState;
  /** Called after every change of `state.is`, `state.health`, `state.error`, `state.obstacle` and the probe's verdict; what it throws becomes a warning. Returns how to stop that. */
  on(listener: (state: RegistrationState) => void): () => void;
  /** What the application is, with `health: 'reported'`. Before the first `healthy` nothing is registered. */
  report(health: 'healthy' | 'unhealthy'): void;
  /**
   * Says `draining`, withdraws the endpoint, and waits until every sidecar that holds it has acknowledged: then nobody sends new requests,
   * and the application may finish those it has and stop. Never rejects; a second call gives the same.
   * @param timeoutMs patience of the whole (default 15,000)
   */
  drain(timeoutMs?: number): Promise<Drained>;
  /** Withdraws the endpoint without waiting for anybody (2 s for the control plane to answer), and ends. */
  close(): Promise<void>;
}

type Gone = Extract<LeaseEffect, { is: 'gone' }>;

const DRAIN_MS = 15_000;
const CLOSE_MS = 2_000;
/** Until the first success of a probe. */
const START_INTERVAL_MS = 500;
/** setTimeout takes no more. */
const LONGEST_MS = 2 ** 31 - 1;

const NOBODY: Acknowledged = { all: true, waiting: [], silent: [] };

/** Throws `REGISTER_OPTIONS`, `PROBE_INVALID`. */
export const register = (given: RegisterOptions): Registration => {
  const options = fullOptions(given);
  const api = new AdminApi(options.admin);
  const holder = given.holder ?? randomUUID();
  const requests = new LeaseRequests(api, options, holder);
  const clock = given.clock ?? (() => performance.now());
  const random = given.random ?? Math.random;
  const listeners = new Set<(state: RegistrationState) => void>();
  let lease: LeaseState = freshLease(options.leaseMs);
  let verdict: Verdict = UNKNOWN;
  let timer: NodeJS.Timeout | undefined;
  let announced = '';
  let obstacle: string | undefined;
  let gone: (end: Gone) => void = () => undefined;
  const end = new Promise<Gone>((done) => {
    gone = done;
  });

  const state = (): RegistrationState => {
    const { phase, known, ttlMs, renewedAt, error, holder: taker } = lease;
    const { address } = requests;
    const last = prober?.last;
    return {
      is: phase,
      service: `${options.service}.${options.namespace}`,
      endpoint: options.endpoint,
      leaseMs: ttlMs,
      holder,
      ...(address === undefined ? {} : { address }),
      ...(known === undefined ? {} : { health: known }),
      ...(renewedAt === undefined ? {} : { renewedAgoMs: Math.round(clock() - renewedAt) }),
      ...(error === undefined ? {} : { error }),
      ...(taker === undefined ? {} : { takenBy: taker }),
      ...(obstacle === undefined ? {} : { obstacle }),
      ...(last === undefined ? {} : { probe: { is: verdict.is, ...last } }),
    };
  };

  const announce = (): void => {
    const key = `${lease.phase} ${lease.known} ${lease.error?.code} ${verdict.is} ${obstacle}`;
    if (key === announced) return;
    announced = key;
    const now = state();
    for (const listener of [...listeners]) callUser('a listener of the registration', () => listener(now));
  };

  const feed = (fact: LeaseFact): void => {
    const step = stepLease(lease, fact, { now: clock(), random });
    lease = step.state;
    clearTimeout(timer);
    if (Number.isFinite(lease.dueAt))
      timer = setTimeout(
        () => feed({ is: 'tick' }),
        Math.min(LONGEST_MS, Math.max(0, Math.ceil(lease.dueAt - clock()))),
      );
    for (const effect of step.effects)
      if (effect.is === 'gone') {
        prober?.stop();
        gone(effect);
      } else void carryOut(effect);
    announce();
  };

  const carryOut = async (effect: Exclude<LeaseEffect, { is: 'gone' }>): Promise<void> => {
    const answer = await requests.run(effect);
    feed({ is: 'answer', answer });
    if (answer.is !== 'ok' || !(effect.is === 'put' || (effect.is === 'beat' && obstacle !== undefined))) return;
    obstacle = await requests.obstacle(obstacle);
    announce();
  };

  const { probe: health } = options;
  const prober =
    health === undefined
      ? undefined
      : new Prober({
          ...health,
          startIntervalMs: START_INTERVAL_MS,
          onResult: ({ ok }) => {
            const before = verdict.is;
            verdict = nextVerdict(verdict, ok, health.thresholds);
            if (verdict.is !== before) feed({ is: 'health', health: verdict.is === 'up' ? 'healthy' : 'unhealthy' });
          },
        });
  // In a turn of its own: whoever registers may listen before anything happens.
  setImmediate(() => {
    if (lease.phase === 'ended' || lease.phase === 'draining') return;
    if (prober !== undefined) prober.start();
    else if (!options.isReported) feed({ is: 'health', health: 'healthy' });
  });

  /** Withdraws within the time given; then the lease is left to run out. */
  const withdraw = async (ms: number): Promise<Gone> => {
    prober?.stop();
    feed({ is: 'drain' });
    // What no control plane ever confirmed is nearly sure not to be there.
    const longest = lease.renewedAt === undefined ? Math.min(ms, CLOSE_MS) : ms;
    const patience = setTimeout(() => feed({ is: 'end' }), longest);
    const how = await end;
    clearTimeout(patience);
    return how;
  };

  let draining: Promise<Drained> | undefined;
  const drain = async (timeoutMs: number): Promise<Drained> => {
    const from = clock();
    const how = await withdraw(timeoutMs);
    const left = how.withdrawn
      ? await acknowledged(api, {
          ...options,
          offset: how.offset,
          deadline: from + timeoutMs,
          clock,
          sleep: (ms) => new Promise((done) => setTimeout(done, ms)),
        })
      : NOBODY;
    api.close();
    return {
      withdrawn: how.withdrawn,
      remains: how.remains === true,
      acknowledged: how.withdrawn && left.all,
      waiting: left.waiting,
      silent: left.silent,
      tookMs: Math.round(clock() - from),
    };
  };

  return {
    get state() {
      return state();
    },
    on: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    report: (told) => feed({ is: 'health', health: told }),
    drain: (timeoutMs = DRAIN_MS) => {
      draining ??= drain(timeoutMs);
      return draining;
    },
    close: async () => {
      if (draining !== undefined) {
        feed({ is: 'end' });
        await draining;
        return;
      }
      await withdraw(CLOSE_MS);
      api.close();
    },
  };
};
