/** Process of the core: log, projector, compile, HTTP API. */
import { Core } from '../core.ts';
import { createLogger } from '../logger.ts';
import { runChild } from './child.ts';

runChild(
  (config) =>
    Core.start({
      config,
      logger: createLogger(config.logLevel).child({ process: 'core' }),
      replace: () => process.exit(1),
      takeOut: (why) => process.send?.({ t: 'out-of-service', why }),
      restartWorker: (pid) => process.send?.({ t: 'restart-worker', pid }),
    }),
  // It holds the lock of the data directory, so it is the process that a second `serve` tells people to stop.
  { onTerm: 'end-serve' },
);
