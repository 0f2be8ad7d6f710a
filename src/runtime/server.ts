/** Starts `tendril serve` in the form the configuration asks for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { channelPair } from './channel.ts';
import type { ServeConfig } from './config.ts';
import { createLogger } from './logger.ts';
import type { ToCore, ToWorker } from './messages.ts';
import { type RunningServer, startSupervised } from './supervisor.ts';
import type { XdsWorker } from './xds-worker.ts';

/** `--workers 0`: core and one xDS server in this process. */
const startInProcess = async (config: ServeConfig): Promise<RunningServer> => {
  // Loaded here only: a supervisor stays small and quick to start.
  const [{ Core }, workers] = await Promise.all([import('./core.ts'), import('./xds-worker.ts')]);
  const logger = createLogger(config.logLevel);
  const [coreEnd, workerEnd] = channelPair<ToWorker, ToCore>();
  let worker: XdsWorker | undefined;
  let isOut = false;
  const core = await Core.start({
    config,
    logger,
    restartWorker: () => undefined,
    takeOut: () => {
      isOut = true;
      void worker?.stop();
    },
    channel: coreEnd,
  });
  try {
    worker = await workers.XdsWorker.start({ config, worker: 0, logger, channel: workerEnd });
  } catch (error) {
    await core.stop();
    throw error;
  }
  const started = worker;
  // Told while the worker was still starting.
  if (isOut) void started.stop();
  let finish: (code: number) => void = () => undefined;
  const ended = new Promise<number>((done) => {
    finish = done;
  });
  let stopping: Promise<void> | undefined;
  return {
    admin: core.address,
    xds: started.address,
    pids: () => ({ core: process.pid, workers: [] }),
    ended,
    stop: () => {
      stopping ??= (async () => {
        await started.stop();
        await core.stop();
        finish(0);
      })();
      return stopping;
    },
  };
};

/** Resolves when xDS and HTTP accept. Rejects with `TendrilError` when something cannot be opened. */
export const startServer = async (config: ServeConfig, signal?: AbortSignal): Promise<RunningServer> => {
  if (config.log !== 'memory')
    return config.workers === 0
      ? startInProcess(config)
      : startSupervised(config, createLogger(config.logLevel), signal);
  // The state of a log in memory is as temporary as the log: it must not meet a log of another run.
  const data = mkdtempSync(join(tmpdir(), 'tendril-memory-'));
  const remove = (): void => rmSync(data, { recursive: true, force: true });
  // Also when the process is told twice to stop, and ends at once.
  process.once('exit', remove);
  try {
    const temporary = { ...config, data };
    const server = await (config.workers === 0
      ? startInProcess(temporary)
      : startSupervised(temporary, createLogger(config.logLevel), signal));
    void server.ended.then(remove);
    const stop = async (): Promise<void> => {
      await server.stop();
      remove();
    };
    return { ...server, stop };
  } catch (error) {
    remove();
    throw error;
  }
};
