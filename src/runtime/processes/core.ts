/** Process of the core: log, projector, compile, HTTP API. */
import { Core } from '../core.ts';
import { createLogger } from '../logger.ts';
import { runChild } from './child.ts';

runChild((config) =>
  Core.start({
    config,
    logger: createLogger(config.logLevel).child({ process: 'core' }),
    replace: () => process.exit(1),
    restartWorker: (pid) => process.send?.({ t: 'restart-worker', pid }),
  }),
);
