/** Process of one xDS worker, started by the supervisor with the xDS port among its open files, or the connections dealt to it. */
import { giveBackWhenQuiet } from '../idle-memory.ts';
import { createLogger } from '../logger.ts';
import { XDS_PORT_FDS } from '../shared-port.ts';
import { XdsWorker } from '../xds-worker.ts';
import { runChild } from './child.ts';

runChild(
  (config, worker) => {
    const logger = createLogger(config.logLevel).child({ process: `xds-${worker}` });
    void giveBackWhenQuiet((facts) => logger.debug(facts, 'memory given back in a quiet moment'));
    return XdsWorker.start({ config, worker, logger, port: config.workers > 1 ? 'dealt' : XDS_PORT_FDS });
  },
  { onTerm: 'ignore' },
);
