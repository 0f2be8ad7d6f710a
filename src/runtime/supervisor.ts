/**
 * The supervisor of `tendril serve`: forks one core and N xDS workers, starts the dead again, ends all of them in order.
 *
 * It holds the listening socket of the xDS port (node:cluster, SCHED_NONE: the kernel spreads connections), so it does
 * nothing else that could fail. The core is forked outside of node:cluster: its death touches no stream (design, section 9).
 */
import { type ChildProcess, fork } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { TendrilError } from '../model/index.ts';
import type { HostPort, ServeConfig } from './config.ts';
import type { FromChild, ToChild } from './messages.ts';
import { freshRestarts, nextRestart, type RestartState } from './restart-policy.ts';

const CORE = fileURLToPath(new URL('./processes/core.js', import.meta.url));
const XDS_WORKER = fileURLToPath(new URL('./processes/xds-worker.js', import.meta.url));
/** Workers stagger their GOAWAYs over 5 s; then the core flushes; the whole stays below 10 s (contracts, "stop"). */
const STOP_WORKERS_MS = 6_500;
const STOP_CORE_MS = 2_500;

export interface RunningServer {
  readonly admin: HostPort;
  readonly xds: HostPort;
  /** Process ids for tests and `demo`: the core first. */
  pids(): { readonly core: number | undefined; readonly workers: readonly number[] };
  /** Resolves when everything has ended, with the exit code. */
  readonly ended: Promise<number>;
  stop(): Promise<void>;
}

const exited = (child: ChildProcess, ms: number): Promise<void> =>
  new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    const timer = setTimeout(() => child.kill('SIGKILL'), ms);
    child.once('exit', () => {
      clearTimeout(timer);
      done();
    });
  });

interface Slot {
  child: ChildProcess | undefined;
  restarts: RestartState;
  startedAt: number;
}

/** Starts core and workers and resolves when both accept. Rejects with the core's own error when the first start fails. */
export const startSupervised = async (config: ServeConfig, logger: Logger): Promise<RunningServer> => {
  let stopping = false;
  let admin: HostPort | undefined;
  let xds: HostPort | undefined;
  let finish: (code: number) => void = () => undefined;
  const ended = new Promise<number>((done) => {
    finish = done;
  });
  const core: Slot = { child: undefined, restarts: freshRestarts, startedAt: 0 };
  const workers: Slot[] = Array.from({ length: config.workers }, () => ({
    child: undefined,
    restarts: freshRestarts,
    startedAt: 0,
  }));
  /** Later starts keep the ports of the first, also when `:0` was asked for. */
  let current = config;

  const run = (slot: Slot, name: string, spawn: () => ChildProcess, onMessage: (message: FromChild) => void): void => {
    slot.startedAt = performance.now();
    const child = spawn();
    slot.child = child;
    child.on('message', (message) => onMessage(message as FromChild));
    child.once('exit', (code, signal) => {
      slot.child = undefined;
      if (stopping) return;
      const next = nextRestart(slot.restarts, performance.now() - slot.startedAt);
      slot.restarts = next.state;
      logger.warn({ child: name, code, signal, restartMs: next.delayMs }, `${name} ended; starting it again`);
      setTimeout(() => {
        if (!stopping) run(slot, name, spawn, onMessage);
      }, next.delayMs);
    });
  };

  const stop = async (): Promise<void> => {
    if (stopping) return;
    stopping = true;
    const tell = (child: ChildProcess | undefined): void => {
      if (child?.connected === true) child.send({ t: 'stop' } satisfies ToChild);
    };
    const running = workers.map((slot) => slot.child).filter((child) => child !== undefined);
    for (const child of running) tell(child);
    await Promise.all(running.map((child) => exited(child, STOP_WORKERS_MS)));
    tell(core.child);
    if (core.child !== undefined) await exited(core.child, STOP_CORE_MS);
    finish(0);
  };

  await new Promise<void>((ready, fail) => {
    const spawnCore = (): ChildProcess => {
      const child = fork(CORE, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'json' });
      child.send({ t: 'start', config: current, worker: 0 } satisfies ToChild);
      return child;
    };
    run(core, 'core', spawnCore, (message) => {
      if (message.t === 'ready') {
        admin = message.address;
        current = { ...current, admin };
        ready();
      } else if (message.t === 'fatal') {
        stopping = true;
        fail(
          new TendrilError(
            message.code,
            message.message,
            message.remedy === undefined ? {} : { remedy: message.remedy },
          ),
        );
      } else if (message.t === 'restart-worker') {
        const silent = workers.find((slot) => slot.child?.pid === message.pid)?.child;
        logger.warn({ pid: message.pid }, 'xDS worker did not answer for 2 s; restarting it');
        silent?.kill('SIGKILL');
      }
    });
    core.child?.once('exit', (code) => {
      if (admin === undefined) {
        stopping = true;
        fail(
          new TendrilError('CORE_FAILED', `the core ended with code ${code} before it was ready`, {
            remedy: 'read the log lines above',
          }),
        );
      }
    });
  });

  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: XDS_WORKER, serialization: 'json', silent: false });
  await new Promise<void>((ready, fail) => {
    let waiting = workers.length;
    if (waiting === 0) ready();
    workers.forEach((slot, index) => {
      const spawnWorker = (): ChildProcess => {
        const worker: Worker = cluster.fork();
        worker.send({ t: 'start', config: current, worker: index } satisfies ToChild);
        return worker.process;
      };
      let first = true;
      run(slot, `xDS worker ${index}`, spawnWorker, (message) => {
        if (message.t === 'fatal') {
          stopping = true;
          core.child?.kill();
          fail(
            new TendrilError(
              message.code,
              message.message,
              message.remedy === undefined ? {} : { remedy: message.remedy },
            ),
          );
        } else if (message.t === 'ready') {
          xds = message.address;
          current = { ...current, xds };
          if (first) {
            first = false;
            waiting--;
            if (waiting === 0) ready();
          }
        }
      });
    });
  });

  return {
    admin: admin ?? config.admin,
    xds: xds ?? config.xds,
    pids: () => ({
      core: core.child?.pid,
      workers: workers.map((slot) => slot.child?.pid).filter((pid) => pid !== undefined),
    }),
    ended,
    stop,
  };
};
