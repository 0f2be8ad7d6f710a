/** What the agent knows of its application, what it is told, and what it does: the words of the supervision (supervision.ts). */
import { FRESH_BUDGET, type RestartBudget, type RestartOptions } from './restart-budget.ts';

export interface SupervisionOptions {
  /** The agent starts the application. False: it stays beside one that somebody else runs. */
  readonly owns: boolean;
  /** Undefined: it is not started again. */
  readonly restarts: RestartOptions | undefined;
  readonly startupMs: number;
  /** From the end of the drain to SIGTERM. */
  readonly graceMs: number;
  /** From SIGTERM to SIGKILL. */
  readonly killMs: number;
}

export interface SupervisionState {
  readonly is: 'starting' | 'running' | 'replacing' | 'waiting' | 'draining' | 'grace' | 'stopping' | 'ended';
  /** A process of the application lives. */
  readonly alive: boolean;
  readonly ready: boolean;
  readonly wasReady: boolean;
  /** Why the application that starts does not live; undefined: it lives, as far as is known. */
  readonly dead: string | undefined;
  readonly dueAt: number;
  readonly budget: RestartBudget;
  readonly restarts: number;
  /** How the last application ended. */
  readonly code: number | undefined;
  /** Why the agent ends with 1 whatever the application says. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
}

export type SupervisionFact =
  | { readonly is: 'begin' }
  | { readonly is: 'started'; readonly pid: number }
  | { readonly is: 'failed'; readonly why: string }
  | { readonly is: 'exited'; readonly code: number; readonly how: string }
  | { readonly is: 'ready' }
  | { readonly is: 'unready'; readonly why: string }
  /** Of liveness. */
  | { readonly is: 'dead'; readonly why: string }
  | { readonly is: 'live' }
  | { readonly is: 'stop' }
  | { readonly is: 'drained'; readonly how: string }
  /** `why`: the last result of the readiness probe. */
  | { readonly is: 'tick'; readonly why?: string };

export type SupervisionEffect =
  | { readonly is: 'spawn' }
  | { readonly is: 'signal'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  | { readonly is: 'in' }
  | { readonly is: 'out' }
  | { readonly is: 'drain' }
  | { readonly is: 'say'; readonly level: 'info' | 'warn' | 'error'; readonly code?: string; readonly text: string }
  | { readonly is: 'end'; readonly code: number };

export interface SupervisionClock {
  /** Monotonic, ms. */
  readonly now: number;
  /** [0, 1). */
  readonly random: () => number;
}

export interface SupervisionStep {
  readonly state: SupervisionState;
  readonly effects: readonly SupervisionEffect[];
}

export const FRESH: SupervisionState = {
  is: 'starting',
  alive: false,
  ready: false,
  wasReady: false,
  dead: undefined,
  dueAt: Number.POSITIVE_INFINITY,
  budget: FRESH_BUDGET,
  restarts: 0,
  code: undefined,
  failure: undefined,
};
