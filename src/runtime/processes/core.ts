/** Process of the core: log, projector, compile, HTTP API. */
import { Core } from '../core.ts';
import { startUntilItRuns } from '../core-starts.ts';
import { giveBackWhenQuiet } from '../idle-memory.ts';
import { createLogger } from '../logger.ts';
import { runChild } from './child.ts';

runChild(
  (config, _worker, again) => {
    const logger = createLogger(config.logLevel).child({ process: 'core' });
    void giveBackWhenQuiet((facts) => logger.debug(facts, 'memory given back in a quiet moment'));
    const start = (onOpened: () => Promise<void>): Promise<Core> =>
      Core.start({
        config,
        logger,
        onOpened,
        takeOut: (why) => process.send?.({ t: 'out-of-service', why }),
        replace: () => process.exit(1),
        restartWorker: (pid) => process.send?.({ t: 'restart-worker', pid }),
      });
    return again ? startUntilItRuns({ config, logger, start }) : start(async () => undefined);
  },
  // It holds the lock of the data directory, so it is the process that a second `serve` tells people to stop.
  { onTerm: 'end-serve' },
);
