/** Promise P9 of reference/reliability.md: storage trouble means read-only, never wrong. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openEventLog } from '../../src/log/index.ts';
import { collect, MESH } from '../contracts/event-log.ts';
import { nextMessage, temporaryDirectory } from '../store/support.ts';

const module = fileURLToPath(new URL('./failed-commit-child.js', import.meta.url));

test('E4: after a failed commit nothing is written any more, reading goes on, and everything acknowledged is safe', async (context) => {
  const dir = temporaryDirectory(context);
  // A file that may not grow above 3,000 KiB: writing to it fails as on a broken disk, and no guard sees it coming.
  const shell = `trap '' XFSZ; ulimit -f 3000; exec "$0" "$1" "$2"`;
  const child = spawn('bash', ['-c', shell, process.execPath, module, dir], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  context.after(() => child.kill('SIGKILL'));
  child.stderr?.resume(); // lmdb-js writes its error there
  const report = (await nextMessage(child)) as Record<string, unknown>;
  const appended = Number(report.appended);
  assert.ok(appended > 1000, `${appended} events fitted`);
  assert.deepEqual(report, {
    appended,
    codes: ['LOG_READ_ONLY', 'LOG_READ_ONLY', 'LOG_READ_ONLY'],
    commits: appended / 100,
    readable: appended,
    failure: 'DATA_READ_ONLY',
    head: appended,
    unhandled: [],
  });
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
  const records = await collect(log.read({ from: 1 }));
  await log.close();
  assert.equal(records.length, appended);
});
