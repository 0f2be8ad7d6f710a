/** Process of one xDS worker, started by the supervisor through node:cluster. */
import { createLogger } from '../logger.ts';
import { XdsWorker } from '../xds-worker.ts';
import { runChild } from './child.ts';

runChild(
  (config, worker) =>
    XdsWorker.start({ config, worker, logger: createLogger(config.logLevel).child({ process: `xds-${worker}` }) }),
  { onTerm: 'ignore' },
);
