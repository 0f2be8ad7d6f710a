/** Writes of the cache that fail; invariants of src/sidecar-client/cache.ts by number. The rest: tendril-client.test.ts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CacheOptions, openCache } from '../../src/sidecar-client/cache.ts';

test('K4: what could not be written is written with the next write', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tendril-cache-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const problems: string[] = [];
  let version = 'old';
  let fails = false;
  const options: CacheOptions = {
    dir,
    mesh: 'm',
    node: 'n',
    now: Date.now,
    rules: 1,
    writeMs: 10,
    onProblem: ({ code }) => problems.push(code),
    read: (_, name) => {
      if (fails) throw new Error('no');
      return { name, version, body: new Uint8Array([1]) };
    },
    asked: () => ({ hosts: [], clusters: [] }),
  };
  const cache = await openCache(options);
  cache?.noteChange('cds', ['a']);
  await new Promise((done) => setTimeout(done, 300));
  [version, fails] = ['new', true];
  cache?.noteChange('cds', ['a']);
  for (let tries = 0; problems.length === 0 && tries < 6_000; tries++)
    await new Promise((done) => setTimeout(done, 10));
  assert.deepEqual(problems, ['CACHE_UNUSABLE']);
  fails = false;
  await cache?.close();
  const next = await openCache(options);
  assert.deepEqual(
    next?.takeEarlier()?.cds.map((held) => held.version),
    ['new'],
  );
  await next?.close();
});
