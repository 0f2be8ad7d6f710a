/** `npm start`: the demo does one round and exits 0; whatever it started ends with it. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { findEnvoy } from '../../src/cli/demo/envoy.ts';
import { cleanUp, descendants, type Going, gone, start } from './support/tendril.ts';

after(cleanUp);

/** The folder of its event log, and what it has started so far. */
const belongings = async (going: Going, ready: RegExp) => {
  const [, folder = ''] = await going.says(/event log in (\S+)/);
  await going.says(ready);
  const processes = descendants(going.pid);
  const bootstraps = processes.flatMap(({ command }) => / -c (\S+)/.exec(command)?.[1] ?? []);
  return { folder, processes, bootstraps };
};

test('demo --once --no-envoy: a round, a report, exit 0, nothing left', async () => {
  const going = start(['demo', '--once', '--no-envoy']);
  const { folder, processes } = await belongings(going, /before the first request/);
  assert.ok(existsSync(folder));
  assert.equal(processes.length, 2, 'core and worker');
  const { code, out, err } = await going.ended;
  assert.equal(code, 0, err);
  assert.match(out, /^== after 4 visits: 0 failures$/m);
  assert.match(out, /^cartservice\.default +in-sync +1 +11 +[0-9.]+ K?B +[0-9.]+ KB +redis-cart\*$/m);
  assert.match(out, /^frontend\.default +in-sync +7 +11 /m);
  assert.match(
    out,
    /^16 edges of 16 calls known, 15 learned; sent [0-9.]+ KB, a full push to all would be [0-9.]+ KB/m,
  );
  assert.equal(err, '');
  await gone(processes);
  assert.ok(!existsSync(folder));
});

test('demo: Ctrl-C ends sidecars, control plane and folders, exit 0', async (context) => {
  const envoy = findEnvoy(process.env);
  if (envoy === undefined) context.diagnostic('no Envoy here: with built-in clients');
  const going = start(envoy === undefined ? ['demo', '--no-envoy'] : ['demo'], {
    env: envoy === undefined ? {} : { TENDRIL_ENVOY: envoy },
  });
  const { folder, processes, bootstraps } = await belongings(going, /^[0-9]+ edges? of 16 calls known/m);
  assert.equal(processes.length, envoy === undefined ? 2 : 7, 'core, worker and five Envoys');
  going.child.kill('SIGINT');
  const { code, signal, err, out } = await going.ended;
  assert.deepEqual([code, signal], [0, null], err);
  assert.match(out, /ending everything the demo started/);
  await gone(processes);
  for (const path of [folder, ...bootstraps]) assert.ok(!existsSync(path), path);
});

test('demo: a second Ctrl-C ends it at once, and still nothing is left', async () => {
  const envoy = findEnvoy(process.env);
  const going = start(envoy === undefined ? ['demo', '--no-envoy'] : ['demo'], {
    env: envoy === undefined ? {} : { TENDRIL_ENVOY: envoy },
  });
  const { folder, processes, bootstraps } = await belongings(going, /sidecars: 5 /);
  going.child.kill('SIGTERM');
  going.child.kill('SIGTERM');
  const { code } = await going.ended;
  assert.ok(code === 143 || code === 0, `exit code ${code}`); // 0: the first one was quick enough
  await gone(processes);
  for (const path of [folder, ...bootstraps]) assert.ok(!existsSync(path), path);
});

test('demo: told to end while it starts, it ends with 0', async () => {
  const going = start(['demo', '--no-envoy']);
  await going.says(/control plane: /);
  const processes = descendants(going.pid);
  going.child.kill('SIGTERM');
  const { code, err } = await going.ended;
  assert.equal(code, 0, err);
  await gone(processes);
});
