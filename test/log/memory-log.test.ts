import { openEventLog } from '../../src/log/index.ts';
import { describeEventLog, MESH } from '../contracts/event-log.ts';

describeEventLog('memory', async () => ({
  durable: false,
  open: (options) => openEventLog({ kind: 'memory', mesh: MESH, ...options }),
  cleanUp: async () => undefined,
}));
