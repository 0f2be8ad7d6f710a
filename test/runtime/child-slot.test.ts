/** One child of the supervisor: loaded at once, begun in its turn, ended in order or at once. */
import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ChildSlot } from '../../src/runtime/child-slot.ts';
import { resolveConfig } from '../../src/runtime/config.ts';
import { createLogger } from '../../src/runtime/logger.ts';

const CHILD = fileURLToPath(new URL('./slot-child.js', import.meta.url));

const slotOf = (t: TestContext) => {
  let child: ChildProcess | undefined;
  let said = '';
  const spawn = (): ChildProcess => {
    child = fork(CHILD, [], { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    t.after(() => child?.kill('SIGKILL'));
    return child;
  };
  const slot = new ChildSlot({
    name: 'child',
    worker: 0,
    spawn,
    config: () => resolveConfig({ flags: {}, env: {} }),
    logger: createLogger('silent'),
    onReady: () => undefined,
    onSilentWorker: () => undefined,
    onOutOfService: () => undefined,
    onTerminate: () => undefined,
  });
  return {
    slot,
    said: () => said,
    child: () => child ?? assert.fail('no child'),
    loaded: async () => {
      while (!said.includes('listening')) await once(child?.stdout ?? assert.fail(), 'data');
    },
  };
};

test('a child loads its program at once and begins its work in its turn', async (t) => {
  const { slot, said, loaded } = slotOf(t);
  let begin = (): void => undefined;
  const turn = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ready = slot.start(turn);
  await loaded();
  await new Promise((next) => setTimeout(next, 100));
  assert.equal(said(), 'listening\n');
  assert.equal(slot.isReady, false);
  begin();
  assert.deepEqual(await ready, { host: '127.0.0.1', port: 1 });
  await slot.stop(10_000);
  assert.equal(said(), 'listening\nstart\nstop\n', 'one that has begun is asked to end');
});

test('one whose turn never came ends at once, without a word', async (t) => {
  const { slot, said, child, loaded } = slotOf(t);
  const turn = Promise.reject(new Error('the core did not start'));
  turn.catch(() => undefined);
  const ready = assert.rejects(slot.start(turn), { code: 'CHILD_FAILED' });
  await loaded();
  await slot.stop(10_000);
  await ready;
  assert.deepEqual([child().signalCode, said()], ['SIGKILL', 'listening\n']);
});
