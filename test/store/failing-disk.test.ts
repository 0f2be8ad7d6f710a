/** F-eio of reference/reliability.md, section 4b, and what the two commit modes promise; with strace as the bad disk. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CommitMode, openEnvironment } from '../../src/store/index.ts';
import { whyNoStrace } from '../support/strace.ts';
import { nextMessage, skipLoudly, temporaryDirectory } from './support.ts';

const module = fileURLToPath(new URL('./failing-disk-child.js', import.meta.url));
const MODES = ['durable', 'visible'] as const satisfies readonly CommitMode[];

const startUnderStrace = (context: TestContext, inject: string, args: readonly string[]): ChildProcess => {
  const trace = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', `inject=fdatasync:${inject}`];
  // One thread, because strace counts the calls of each thread.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  const child = spawn('strace', [...trace, process.execPath, module, ...args], {
    env,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  context.after(() => child.kill('SIGKILL'));
  child.stderr?.resume(); // lmdb-js writes its error there
  return child;
};

describe('a bad disk', () => {
  for (const mode of MODES) {
    test(`mode ${mode}: a commit resolves ${mode === 'durable' ? 'only when it is on disk' : 'when readers see it'}`, async (context) => {
      const why = whyNoStrace();
      if (why !== undefined) return skipLoudly(context, why);
      const child = startUnderStrace(context, 'delay_enter=300000', ['slow', temporaryDirectory(context), mode]);
      const ended = new Promise((resolve) => child.once('exit', resolve));
      assert.deepEqual(await nextMessage(child), { readable: 'value 1', onDisk: mode === 'durable' });
      await ended;
    });

    test(`mode ${mode}, E4: after a failed fdatasync nothing is written, nothing hangs, and what was promised is there`, async (context) => {
      const why = whyNoStrace();
      if (why !== undefined) return skipLoudly(context, why);
      const dir = temporaryDirectory(context);
      const child = startUnderStrace(context, 'error=EIO:when=15+', ['fail', dir, mode]);
      const { committed, ...report } = (await nextMessage(child)) as { committed: number };
      assert.ok(committed > 3, `${committed} commits`);
      assert.deepEqual(report, {
        codes: ['DATA_READ_ONLY', 'DATA_READ_ONLY', 'DATA_READ_ONLY'],
        flushed: 'DATA_READ_ONLY',
        first: 'value 0',
        failure: 'DATA_READ_ONLY',
        unhandled: [],
      });
      const environment = await openEnvironment({
        dir,
        name: 'state',
        mesh: 'm',
        schema: { name: 'test', version: 1 },
        mode,
      });
      context.after(() => environment.close());
      assert.equal(environment.opened.clean, false);
      const there = environment.table<number>('numbers').count();
      // What is not on disk after a power cut may be there after a mere failure.
      assert.ok(there >= committed - (mode === 'visible' ? 1 : 0), `${there} of ${committed}`);
    });
  }
});
