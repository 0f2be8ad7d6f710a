/** The agent: follows the life of an application, registers it while it is ready, and withdraws it before it stops. */
import {
  type Probe,
  type RegisterOptions,
  type Registration,
  type RegistrationState,
  register,
  type Thresholds,
} from '../sidecar-client/index.ts';
import { Application } from './application.ts';
import { DEFAULT_RESTARTS, type RestartOptions } from './restart-budget.ts';
import { sayDrained, sayRegistration } from './sayings.ts';
import { stepSupervision } from './supervision.ts';
import { FRESH, type SupervisionFact, type SupervisionState } from './supervision-state.ts';
import { type ProbeStatus, Watch } from './watch.ts';

/** One line about a change. */
export interface Saying {
  readonly level: 'info' | 'warn' | 'error';
  readonly code?: string;
  readonly text: string;
}

export interface AgentOptions {
  readonly registration: Omit<RegisterOptions, 'health' | 'clock' | 'random'>;
  /** Whether it may be called. Undefined: as soon as it is started. */
  readonly ready?: Probe;
  /** Whether it lives. Undefined: as long as its process does. */
  readonly live?: Probe;
  /** Of both probes (default 5,000 and 2,000 ms). */
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
  readonly thresholds?: Thresholds;
  /** Program and arguments. Undefined: somebody else runs the application. */
  readonly command?: readonly string[];
  /** Default: `DEFAULT_RESTARTS`. `off`: the agent ends with the application. */
  readonly restarts?: RestartOptions | 'off';
  /** How long an application may take until it is ready, ms (default 60,000). */
  readonly startupMs?: number;
  /** Patience of the drain, ms (default 15,000), and the time for running requests behind it (default 1,000). */
  readonly drainMs?: number;
  readonly graceMs?: number;
  /** From SIGTERM to SIGKILL, ms (default 10,000). */
  readonly killMs?: number;
  /** The agent ends with 1 when another process took the endpoint. Default: the application's own code. */
  readonly failsWhenTaken?: boolean;
  readonly say: (saying: Saying) => void;
  /** Monotonic, ms. */
  readonly clock?: () => number;
  readonly random?: () => number;
}

export interface AgentStatus {
  readonly registration: RegistrationState;
  readonly application: {
    readonly is: SupervisionState['is'];
    readonly pid?: number;
    readonly restarts: number;
    readonly ready: ProbeStatus;
    readonly live?: ProbeStatus;
  };
}

export interface Agent {
  status(): AgentStatus;
  /** In order; called again: at once. */
  stop(): void;
  /** Passes a signal on to the application. */
  signal(signal: NodeJS.Signals): void;
  /** Kills what the agent started, for the exit of the process. */
  kill(): void;
  /** Resolves with the exit code. */
  readonly ended: Promise<number>;
}

/** Throws `REGISTER_OPTIONS`. */
export const startAgent = (options: AgentOptions): Agent => {
  const { say } = options;
  const clock = options.clock ?? (() => performance.now());
  const random = options.random ?? Math.random;
  const rules = {
    owns: options.command !== undefined,
    restarts: options.restarts === 'off' ? undefined : (options.restarts ?? DEFAULT_RESTARTS),
    startupMs: options.startupMs ?? 60_000,
    graceMs: options.graceMs ?? 1_000,
    killMs: options.killMs ?? 10_000,
  };
  const registration: Registration = register({ ...options.registration, health: 'reported', clock, random });
  let state: SupervisionState = FRESH;
  let timer: NodeJS.Timeout | undefined;
  let finish: (code: number) => void = () => undefined;
  const ended = new Promise<number>((done) => {
    finish = done;
  });

  const tell = (fact: SupervisionFact): void => {
    const { state: next, effects } = stepSupervision(state, fact, rules, { now: clock(), random });
    state = next;
    clearTimeout(timer);
    if (Number.isFinite(state.dueAt))
      timer = setTimeout(
        () => tell({ is: 'tick', ...(ready.why === undefined ? {} : { why: ready.why }) }),
        Math.min(2 ** 31 - 1, Math.max(0, Math.ceil(state.dueAt - clock()))),
      );
    for (const effect of effects)
      switch (effect.is) {
        case 'spawn':
          application.spawn();
          break;
        case 'signal':
          application.signal(effect.signal);
          break;
        case 'in':
          registration.report('healthy');
          break;
        case 'out':
          registration.report('unhealthy');
          break;
        case 'drain':
          stopWatching();
          void registration
            .drain(options.drainMs)
            .then((how) => tell({ is: 'drained', how: sayDrained(how, registration.state) }));
          break;
        case 'say':
          say({ level: effect.level, text: effect.text, ...(effect.code === undefined ? {} : { code: effect.code }) });
          break;
        case 'end':
          stopWatching();
          void end(effect.code);
      }
    if (fact.is === 'started') watch();
    if (fact.is === 'exited') stopWatching();
  };

  const ready = new Watch(options, options.ready, (is, why) =>
    tell(is === 'up' ? { is: 'ready' } : { is: 'unready', why }),
  );
  const live = new Watch(options, options.live, (is, why) => tell(is === 'up' ? { is: 'live' } : { is: 'dead', why }));
  const application = new Application(options.command ?? [], tell);

  const watch = (): void => {
    ready.restart();
    live.restart();
    if (options.ready === undefined) tell({ is: 'ready' });
  };
  const stopWatching = (): void => {
    ready.stop();
    live.stop();
  };
  const end = async (code: number): Promise<void> => {
    const taken = registration.state.is === 'taken' || registration.state.takenBy !== undefined;
    await registration.close();
    finish(taken && options.failsWhenTaken === true ? 1 : code);
  };

  registration.on(sayRegistration(say));
  tell({ is: 'begin' });
  if (!rules.owns) watch();

  return {
    status: () => {
      const { pid } = application;
      return {
        registration: registration.state,
        application: {
          is: state.is,
          ...(pid === undefined ? {} : { pid }),
          restarts: state.restarts,
          ready: ready.status,
          ...(options.live === undefined ? {} : { live: live.status }),
        },
      };
    },
    stop: () => tell({ is: 'stop' }),
    signal: (signal) => application.signal(signal),
    kill: () => application.signal('SIGKILL'),
    ended,
  };
};
