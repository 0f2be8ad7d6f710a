/**
 * The supervisor of `tendril serve`: one core, N xDS workers, started again when they die, ended in order.
 *
 * One worker accepts on the xDS port itself (shared-port.ts), which stays open while it is started again; to several the supervisor deals
 * the connections (connection-dealer.ts). It does nothing else that could fail. The death of the core touches no stream (design, section 9).
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { ChildSlot } from './child-slot.ts';
import { CORE_FLAGS, WORKER_ENVIRONMENT } from './child-starts.ts';
import type { HostPort, ServeConfig } from './config.ts';
import { ConnectionDealer } from './connection-dealer.ts';
import { SharedPort } from './shared-port.ts';

const CORE = fileURLToPath(new URL('./processes/core.js', import.meta.url));
const XDS_WORKER = fileURLToPath(new URL('./processes/xds-worker.js', import.meta.url));
/** Workers stagger their GOAWAYs over 5 s; then the core flushes; the whole stays below 10 s (contracts, "stop"). */
const STOP_WORKERS_MS = 6_500;
const STOP_CORE_MS = 2_500;

export interface RunningServer {
  readonly admin: HostPort;
  readonly xds: HostPort;
  /** Process ids, for tests that kill them. */
  pids(): { readonly core: number | undefined; readonly workers: readonly number[] };
  /** Resolves when everything has ended, with the exit code. */
  readonly ended: Promise<number>;
  stop(): Promise<void>;
}

/** Starts core and workers and resolves when both accept. Rejects with the child's own error when a first start fails. */
export const startSupervised = async (
  config: ServeConfig,
  logger: Logger,
  signal?: AbortSignal,
): Promise<RunningServer> => {
  const port = await SharedPort.bind(config.xds);
  const xds = port.address;
  let current: ServeConfig = { ...config, xds };
  let finish: (code: number) => void = () => undefined;
  const ended = new Promise<number>((done) => {
    finish = done;
  });
  const workers: ChildSlot[] = [];
  let dealer: ConnectionDealer | undefined;
  let stopping: Promise<void> | undefined;
  let withdrawn: Promise<unknown> | undefined;
  /** Whoever connects from now on is to go elsewhere, not to wait for a worker; those that are there are sent away in turns. */
  const withdraw = (): Promise<unknown> => {
    withdrawn ??= (() => {
      port.close();
      dealer?.close();
      return Promise.all(workers.map((slot) => slot.stop(STOP_WORKERS_MS)));
    })();
    return withdrawn;
  };
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      await withdraw();
      await core.stop(STOP_CORE_MS);
      finish(0);
    })();
    return stopping;
  };
  const common = {
    config: () => current,
    logger,
    onSilentWorker: (pid: number) => {
      logger.warn({ pid }, 'xDS worker did not answer for 10 s; restarting it');
      workers.find((slot) => slot.pid === pid)?.kill();
    },
    onOutOfService: (why: string) => {
      logger.error({ why }, 'out of service: the xDS port is closed; the HTTP API goes on');
      void withdraw();
    },
    onTerminate: () => void stop(),
  };
  const core = new ChildSlot({
    ...common,
    name: 'core',
    worker: 0,
    spawn: () =>
      fork(CORE, [], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        execArgv: [...process.execArgv, ...CORE_FLAGS],
      }),
    onReady: (admin) => {
      current = { ...current, admin };
    },
  });
  for (let worker = 0; worker < config.workers; worker++)
    workers.push(
      new ChildSlot({
        ...common,
        name: `xDS worker ${worker}`,
        worker,
        spawn: () =>
          fork(XDS_WORKER, [], {
            stdio: config.workers > 1 ? ['ignore', 'inherit', 'inherit', 'ipc'] : port.stdio,
            env: { ...WORKER_ENVIRONMENT, ...process.env },
          }),
        onReady: () => undefined,
      }),
    );

  const aborted = (): void => void stop();
  signal?.addEventListener('abort', aborted, { once: true });
  try {
    // Workers load their program while the core opens the data, and begin when it is there.
    const coreStarted = core.start();
    const workersStarted = Promise.all(workers.map((slot) => slot.start(coreStarted)));
    // A worker that dies is told at once: the core may open its data for minutes. Where the core failed, that is what is told.
    const failed = workersStarted.catch((error: unknown) => {
      if (withdrawn === undefined) throw error;
    });
    await Promise.race([coreStarted, failed]);
    await coreStarted;
    try {
      await workersStarted;
      if (workers.length > 1 && withdrawn === undefined) dealer = await ConnectionDealer.open(port, workers, logger);
    } catch (error) {
      // Workers that are stopped while they start: the core goes on, to say why.
      if (withdrawn === undefined) throw error;
    }
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', aborted);
  }
  return {
    admin: current.admin,
    xds,
    pids: () => ({ core: core.pid, workers: workers.map((slot) => slot.pid).filter((pid) => pid !== undefined) }),
    ended,
    stop,
  };
};
