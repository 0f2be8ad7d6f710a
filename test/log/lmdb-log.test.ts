import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEventLog } from '../../src/log/index.ts';
import { describeEventLog, MESH } from '../contracts/event-log.ts';

describeEventLog('LMDB', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-log-'));
  return {
    durable: true,
    open: (options) => openEventLog({ kind: 'lmdb', dir, mesh: MESH, ...options }),
    cleanUp: async () => rmSync(dir, { recursive: true, force: true }),
  };
});
