/** Runs one `tendril serve` with the flags of its first argument, for tests that kill it (serve.ts). */
import { resolveConfig, startServer } from '../../src/runtime/index.ts';
import type { Flags, FromServeChild, ToServeChild } from './serve.ts';

const say = (message: FromServeChild): void => {
  process.send?.(message);
};

try {
  const flags = JSON.parse(process.argv[2] ?? '{}') as Flags;
  const server = await startServer(resolveConfig({ flags, env: {} }));
  const stop = async (): Promise<void> => {
    await server.stop();
    process.exit(0);
  };
  process.on('message', (message: ToServeChild) => {
    if (message.t === 'pids') say({ t: 'pids', pids: server.pids() });
    else void stop();
  });
  // The test is gone: nobody would ever stop it.
  process.on('disconnect', () => void stop());
  say({ t: 'ready', admin: server.admin, xds: server.xds });
} catch (error) {
  say({ t: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exitCode = 1;
  process.disconnect?.();
}
