/** The cache of a client that is killed with 9 while it writes, again and again: what the next process finds is whole. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCache } from '../../src/sidecar-client/cache.ts';
import { faultRun } from '../faults/fault-run.ts';
import { startChild, temporaryDirectory } from '../store/support.ts';
import { generationBody, KILLED_CACHE, NAMES } from './cache-killed.ts';

interface Said {
  readonly begun?: number;
  readonly problem?: string;
}

/** Resolves with the last generation whose write had begun; rejects with what the child called a problem. */
const killed = (child: ChildProcess, writes: number, afterMs: number): Promise<number> =>
  new Promise((done, fail) => {
    let seen = 0;
    let last = 0;
    child.on('message', ({ begun, problem }: Said) => {
      if (problem !== undefined) fail(new Error(problem));
      if (begun === undefined) return;
      last = begun;
      if (++seen === writes) void sleep(afterMs).then(() => child.kill('SIGKILL'));
    });
    void once(child, 'exit').then(([code, signal]) =>
      signal === 'SIGKILL' ? done(last) : fail(new Error(`it ended with ${code ?? signal}`)),
    );
  });

export const cacheKillRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('CACHE_KILL', count);
  const dir = temporaryDirectory(context);
  let generation = 0;
  let lost = 0;
  for (let round = 0; round < run.count; round++) {
    const child = startChild(context, new URL('./cache-kill-child.js', import.meta.url), [dir, `${generation + 1}`]);
    const begun = await killed(child, run.between(2, 6), run.between(0, 15));
    const problems: string[] = [];
    const cache = await openCache({
      ...KILLED_CACHE,
      dir,
      now: Date.now,
      onProblem: ({ code, message }) => problems.push(`${code}: ${message}`),
      read: () => undefined,
      asked: () => ({ hosts: [], clusters: [] }),
    });
    const found = cache?.takeEarlier();
    assert.deepEqual(problems, []);
    assert.ok(found !== undefined, 'the last known good is there');
    // One write is whole or not there at all, and those before the last one that had begun are there.
    generation = Number(found.hosts[0]);
    assert.ok(generation >= begun - 1, `${generation} of ${begun}`);
    if (generation < begun) lost += 1;
    assert.deepEqual(found.eds.map(({ name }) => name).sort(), [...NAMES].sort());
    for (const { name, version, body } of found.eds) {
      assert.equal(version, `${generation}`, name);
      assert.deepEqual(body, generationBody(generation), name);
    }
    await cache?.close();
  }
  context.diagnostic(`${run.count} kills, ${lost} of them within a write, ${generation} writes`);
};
