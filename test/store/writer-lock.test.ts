import assert from 'node:assert/strict';
import { lutimesSync, readdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { acquireWriterLock, currentOwner, type LockOwner } from '../../src/store/writer-lock.ts';
import { hasCode, nextMessage, startChild, temporaryDirectory } from './support.ts';

const childModule = new URL('./lock-child.js', import.meta.url);

const textOf = (owner: LockOwner): string =>
  `${owner.pid}.${owner.start}.${owner.boot}.${owner.namespace}@${owner.host}`;

/** Leaves a lock behind as a process with these facts would. */
const leave = (dir: string, owner: Partial<LockOwner>, ageMs = 0, generation = 3): string => {
  const path = join(dir, `writer-${generation}.lock`);
  symlinkSync(textOf({ ...currentOwner(), ...owner }), path);
  const seconds = (Date.now() - ageMs) / 1000;
  lutimesSync(path, seconds, seconds);
  return path;
};

/** A pid that nobody has now. */
const deadPid = 4_194_305;

describe('writer lock', () => {
  test('L1: a second writer is refused with the pid and what to do; after the release it is not', (context) => {
    const dir = temporaryDirectory(context);
    const lock = acquireWriterLock(dir);
    assert.throws(() => acquireWriterLock(dir), hasCode('LOG_LOCKED', 'this process', `kill ${process.pid}`));
    assert.equal(lock.held(), true);
    lock.release();
    assert.equal(lock.held(), false);
    const next = acquireWriterLock(dir);
    next.release();
    assert.equal(readdirSync(dir).length, 1, 'old generations are removed');
  });

  test('L3: another process holds it while it lives, not when it was killed', async (context) => {
    const dir = temporaryDirectory(context);
    const child = startChild(context, childModule, [dir]);
    assert.equal(await nextMessage(child), 'held');
    assert.throws(() => acquireWriterLock(dir), hasCode('LOG_LOCKED', `process ${child.pid} on`, `kill ${child.pid}`));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    acquireWriterLock(dir).release();
  });

  test('L3: a dead pid, a reused pid and a lock from before a reboot are stale', (context) => {
    for (const owner of [{ pid: deadPid }, { start: '1' }, { boot: 'ffffffff', pid: 1 }]) {
      const dir = temporaryDirectory(context);
      leave(dir, owner);
      acquireWriterLock(dir).release();
    }
  });

  test('L3: a holder in another container or on another host is judged by its sign of life', (context) => {
    for (const foreign of [{ namespace: '1' }, { host: 'elsewhere', boot: 'ffffffff' }]) {
      const dir = temporaryDirectory(context);
      const path = leave(dir, { ...foreign, pid: deadPid }, 5_000);
      assert.throws(() => acquireWriterLock(dir), hasCode('LOG_LOCKED', String(deadPid), path));
      lutimesSync(path, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
      acquireWriterLock(dir).release();
    }
  });

  test('L4: who has lost the lock knows it, and does not release that of the other', (context) => {
    const dir = temporaryDirectory(context);
    const lost = acquireWriterLock(dir);
    for (const name of readdirSync(dir)) unlinkSync(join(dir, name));
    assert.equal(lost.held(), false);
    const owner = acquireWriterLock(dir, Date.now, { ...currentOwner(), host: 'another' });
    lost.release();
    assert.equal(owner.held(), true);
    owner.release();
  });

  test('L2: something that is no lock is not taken for one', (context) => {
    const dir = temporaryDirectory(context);
    symlinkSync('nonsense', join(dir, 'writer-7.lock'));
    symlinkSync('nonsense', join(dir, 'writer-x.lock'));
    const lock = acquireWriterLock(dir);
    assert.deepEqual(readdirSync(dir).sort(), ['writer-8.lock', 'writer-x.lock']);
    lock.release();
  });

  test('L1, L2: of many that race for a stale lock exactly one gets it, each time', async (context) => {
    const dir = temporaryDirectory(context);
    const children = Array.from({ length: 4 }, () => startChild(context, childModule, [dir, 'race']));
    await Promise.all(children.map(nextMessage));
    for (let round = 0; round < 15; round++) {
      leave(dir, { pid: deadPid }, 0, 1000 * (round + 1));
      const answers = children.map(nextMessage);
      for (const child of children) child.send('go');
      const results = await Promise.all(answers);
      assert.deepEqual(results.sort(), ['LOG_LOCKED', 'LOG_LOCKED', 'LOG_LOCKED', 'held'], `round ${round}`);
      const released = children.map(nextMessage);
      for (const child of children) child.send('release');
      await Promise.all(released);
    }
  });
});
