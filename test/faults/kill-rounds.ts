/** F-kill of reference/reliability.md, section 4b, over a whole `serve`: killed at random moments under 16 writers. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { descendants, gone, type Serve, serve, temporaryFolder, until } from '../cli/support/tendril.ts';
import { coreOf, ready } from '../runtime/support.ts';
import { freePort } from '../support/ports.ts';
import { type Authors, requireAcknowledged, requireOnce, startAuthors } from './authors.ts';
import { faultRun } from './fault-run.ts';
import { Replay, readLog, requireReplayed } from './replay.ts';

const WRITERS = 16;
/** Of one serve: the supervisor waits longer before each further start of a core that dies young. */
const MOST_CORES = 3;

/** SIGKILL to everything that belongs to it. */
const killAll = async (server: Serve): Promise<void> => {
  const rows = descendants(server.pid);
  server.child.kill('SIGKILL');
  for (const { pid } of rows) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone with its parent.
    }
  }
  await server.ended;
  await gone(rows);
};

const isReady = (server: Serve): Promise<true> =>
  until(
    async () => ((await ready(server)) === 200 ? true : undefined),
    () => `not ready again:\n${server.err()}`,
  );

export const killRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('KILL', count);
  const folder = temporaryFolder();
  const data = join(folder, 'data');
  // A port that stays, so that the writers find each server that follows.
  const admin = `127.0.0.1:${await freePort()}`;
  const start = (): Promise<Serve> => serve(['--data', data, '--workers', '1', '--admin', admin]);
  let server = await start();
  const { api } = server;
  const authors: Authors = await startAuthors(context, api, join(folder, 'acked'), run.seed, WRITERS);
  const replay = new Replay(data);
  let checked = 0;
  let whole = 0;
  let cores = 0;
  for (let round = 0; round < run.count; round++) {
    await authors.progress(WRITERS, () => `nothing is acknowledged:\n${server.err()}`);
    await new Promise((next) => setTimeout(next, run.between(20, 200)));
    if (cores === MOST_CORES || run.random() < 0.5) {
      whole++;
      cores = 0;
      await killAll(server);
      server = await start();
    } else {
      cores++;
      process.kill(coreOf(server), 'SIGKILL');
    }
    const acknowledged = authors.acknowledged();
    await isReady(server);
    const fresh = acknowledged.slice(checked);
    const first = Math.min(...fresh.map(({ offset }) => offset));
    requireAcknowledged(await readLog(data, 'default', first), fresh);
    checked = acknowledged.length;
    await replay.requireLive(api);
  }
  await authors.stop();
  const acknowledged = authors.acknowledged();
  await replay.requireLive(api);
  assert.equal((await server.stop()).code, 0, server.err());
  const records = await readLog(data, 'default');
  requireAcknowledged(records, acknowledged);
  const again = requireOnce(records, replay.duplicates);
  const { offset } = await requireReplayed(data, { version: 'serve' });
  assert.equal(offset, records.length);
  assert.ok(acknowledged.length > run.count * WRITERS, 'killed before anything was written');
  context.diagnostic(
    `${run.count} kills (${whole} of everything, ${run.count - whole} of the core), ${records.length} events, ${acknowledged.length} acknowledged, 0 lost; ${again} sent again and without effect`,
  );
};
