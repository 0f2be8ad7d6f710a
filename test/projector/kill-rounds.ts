/** F-kill of reference/reliability.md, section 4b, for the state: killed at random moments it is a fold of its log, always. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { verifyData } from '../../src/projector/index.ts';
import { openModel, tempDir, withSystem } from './harness.ts';
import { initialEvents, MESH, randomFrom } from './mesh-events.ts';

const childModule = new URL('./kill-child.js', import.meta.url);

/** Starts a core, kills it `ms` after it is ready, or has told of a commit; gives the last `<offset> <epoch>` that it reported as visible. */
const runAndKill = async (
  dir: string,
  seed: number,
  ms: number,
  after: 'ready' | 'commit',
): Promise<{ readonly offset: number; readonly epoch: number }> => {
  const child = fork(childModule, [dir, String(seed)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: [] });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const closed = once(child, 'close');
  const committed = once(child.stdout ?? child, 'data');
  await Promise.race([once(child, 'message'), closed]);
  // However slow the machine is: some of them have written something.
  if (after === 'commit') await Promise.race([committed, closed]);
  await new Promise((resolve) => setTimeout(resolve, ms));
  child.kill('SIGKILL');
  assert.equal((await closed)[1], 'SIGKILL', 'the core ended by itself');
  const [offset = '0', epoch = '0'] = (output.split('\n').at(-2) ?? '').split(' ');
  return { offset: Number(offset), epoch: Number(epoch) };
};

/** @param verifyEvery rounds between two full replays */
export const killRounds = async (context: TestContext, rounds: number, verifyEvery: number): Promise<void> => {
  const seed = Number(process.env.TENDRIL_SEED ?? Math.floor(Math.random() * 2 ** 31));
  context.diagnostic(`seed ${seed} (TENDRIL_SEED)`);
  const random = randomFrom(seed);
  const dir = tempDir(context);
  await withSystem(dir, async ({ log, projector }) => {
    await log.append([...initialEvents({ services: 12, endpoints: 5 })]);
    await projector.waitFor(log.head().offset);
  });
  let commits = 0;
  let caughtUp = 0;
  for (let round = 0; round < rounds; round++) {
    const seen = await runAndKill(dir, seed + round, 20 + random() * 600, round % 2 === 0 ? 'commit' : 'ready');
    // What a worker reads while the core is dead: the last visible commit, whole.
    const model = await openModel(dir);
    assert.ok(model.epoch() >= seen.epoch, `epoch ${model.epoch()}, but ${seen.epoch} was visible`);
    assert.ok(model.offset() >= seen.offset);
    const left = model.offset();
    await model.close();
    await withSystem(dir, async ({ log, projector, lines }) => {
      assert.equal(projector.notice.offset, log.head().offset);
      assert.ok(!lines.has('warn', 'made anew'), 'a kill costs no rebuild');
      caughtUp += projector.notice.offset - left;
      commits = projector.notice.epoch;
    });
    if (round % verifyEvery !== verifyEvery - 1) continue;
    const report = await verifyData({ dir, mesh: MESH });
    assert.deepEqual(report.problems, []);
  }
  context.diagnostic(`${rounds} kills, ${commits} commits, ${caughtUp} events folded after restarts`);
  assert.ok(commits > rounds / 2, 'cores were killed before they committed anything');
};
