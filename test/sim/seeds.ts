/** Many seeds, one after the other; seed and count as arguments, a failing one printed with what led to it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type RunResult, simulate } from './simulation.ts';

/** How the caller asks for a run again. */
const replayHint = (seed: number): string =>
  `TENDRIL_SIM_SEED=${seed} TENDRIL_SIM_COUNT=1 node scripts/test.mjs sim/simulation`;

const told = ({ seed, failure, tail }: RunResult): string => {
  const text = failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
  return [`seed ${seed}: ${text}`, ...tail, `again: ${replayHint(seed)}`].join('\n');
};

/** @param first seed, unless `TENDRIL_SIM_SEED` names another; `TENDRIL_SIM_COUNT`: how many */
export const simulateSeeds = async (t: TestContext, first: number, many: number): Promise<void> => {
  const seed = Number(process.env.TENDRIL_SIM_SEED ?? first);
  const count = Number(process.env.TENDRIL_SIM_COUNT ?? many);
  t.diagnostic(`seeds ${seed} to ${seed + count - 1}`);
  const sums = { events: 0, faults: 0, commits: 0, answers: 0, sent: 0, received: 0, wentBack: 0 };
  for (let at = seed; at < seed + count; at++) {
    const result = await simulate({ seed: at });
    if (result.failure !== undefined) assert.fail(told(result));
    sums.events += result.events;
    sums.faults += result.faults;
    for (const name of ['commits', 'answers', 'sent', 'received', 'wentBack'] as const)
      sums[name] += result.counters[name];
  }
  t.diagnostic(`looked at: ${JSON.stringify(sums)}`);
  // A simulation in which nothing happens finds nothing.
  if (count >= 50) {
    assert.ok(sums.events > 20 * count, `${sums.events} events`);
    assert.ok(sums.faults > 3 * count, `${sums.faults} faults`);
    assert.ok(sums.commits > 20 * count, `${sums.commits} commits`);
    assert.ok(sums.answers > 15 * count, `${sums.answers} answers to operators`);
    assert.ok(sums.sent > 20 * count, `${sums.sent} resources sent`);
  }
};
