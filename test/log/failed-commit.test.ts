/**
 * Promise P9 of reference/reliability.md: storage trouble means read-only, never wrong. A file that may not grow above 3,000 KiB
 * plays the broken disk: no guard sees it coming.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openEventLog } from '../../src/log/index.ts';
import { collect } from '../contracts/event-log.ts';
import { temporaryDirectory } from '../store/support.ts';
import { MESH } from './sample-events.ts';

const module = fileURLToPath(new URL('./failed-commit-child.js', import.meta.url));

interface Report {
  readonly appended: number;
  readonly codes: readonly string[];
}

/** What the child told, line by line, and how it ended. */
const runUntilItFails = (context: TestContext, dir: string): Promise<{ reports: Report[]; end: string }> =>
  new Promise((resolve) => {
    const shell = `trap '' XFSZ; ulimit -f 3000; exec "$0" "$1" "$2"`;
    const child = spawn('bash', ['-c', shell, process.execPath, module, dir], { stdio: ['ignore', 'pipe', 'pipe'] });
    context.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.resume(); // lmdb-js writes its error there
    child.once('close', (code, signal) => {
      const lines = output.trim().split('\n');
      resolve({ reports: lines.map((line) => JSON.parse(line) as Report), end: signal ?? `exit code ${code}` });
    });
  });

test('E4: after a failed commit nothing is written any more, reading goes on, and everything acknowledged is safe', async (context) => {
  const dir = temporaryDirectory(context);
  const { reports, end } = await runUntilItFails(context, dir);
  const appended = reports.at(-1)?.appended ?? 0;
  assert.ok(appended > 1000, `${appended} events fitted`);
  for (const { codes } of reports) for (const code of codes) assert.equal(code, 'LOG_READ_ONLY');
  if (end === 'SIGKILL') {
    assert.deepEqual(reports.at(-1), {
      appended,
      codes: ['LOG_READ_ONLY', 'LOG_READ_ONLY', 'LOG_READ_ONLY'],
      commits: appended / 100,
      readable: appended,
      failure: 'DATA_READ_ONLY',
      head: appended,
      unhandled: [],
    });
  } else {
    // Seen in one run of six: lmdb 3.5.6 writes its message about a failed write behind the end of its buffer. This is why the
    // guard exists, and why the process is to be replaced.
    assert.match(end, /SIGABRT|SIGSEGV/);
    context.diagnostic(`LMDB ended the process with ${end} after the failed commit`);
  }
  const log = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock: Date });
  const records = await collect(log.read({ from: 1 }));
  await log.close();
  assert.equal(records.length, appended);
});
