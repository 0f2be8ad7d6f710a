/**
 * F-dup and F-order of reference/reliability.md, section 4b, at the fold. What is promised (docs/faults.md): one log gives one state,
 * hash and all; an event that comes again has no effect; and where events of several sources are of different entities or facets, their
 * order in the log changes nothing of what sidecars are given. (The state hash knows offsets and times, so it is the log's own.)
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { faultRun } from './fault-run.ts';
import { fold, inTurn, interleaved, logOf, servedBy, stories, withDuplicates } from './order-stories.ts';

const LENGTH = 60;

export const dupRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('DUP', count);
  let again = 0;
  for (let round = 0; round < run.count; round++) {
    const once = inTurn(stories(run, LENGTH));
    const twice = withDuplicates(once, 0.1, run);
    const [plain, repeated] = [fold(logOf(once)), fold(logOf(twice))];
    const count = twice.flat().length - once.flat().length;
    assert.ok(count > 0);
    again += count;
    assert.equal(repeated.outcomes.filter((outcome) => outcome === 'duplicate').length, count);
    assert.deepEqual(
      repeated.outcomes.filter((outcome) => outcome !== 'duplicate'),
      plain.outcomes,
    );
    assert.deepEqual(await servedBy(repeated), await servedBy(plain));
    assert.equal(fold(logOf(twice)).run.stateHash(), repeated.run.stateHash());
  }
  context.diagnostic(`${run.count} logs, ${again} events that came again`);
};

export const orderRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('ORDER', count);
  for (let round = 0; round < run.count; round++) {
    const all = stories(run, LENGTH);
    const plain = fold(logOf(inTurn(all)));
    const served = await servedBy(plain);
    assert.ok(
      served.length > 30 && plain.outcomes.every((outcome) => outcome.startsWith('applied')),
      plain.outcomes.join(),
    );
    for (let order = 0; order < 3; order++) {
      const log = logOf(withDuplicates(interleaved(all, run), 0.1, run));
      const mixed = fold(log);
      assert.ok(mixed.outcomes.every((outcome) => outcome.startsWith('applied') || outcome === 'duplicate'));
      assert.deepEqual(await servedBy(mixed), served);
      // The same log, the same state: on every replica, and after every restart.
      assert.equal(fold(log).run.stateHash(), mixed.run.stateHash());
    }
  }
  context.diagnostic(`${run.count} meshes in 4 orders each`);
};

export const tornRounds = async (context: TestContext, count: number): Promise<void> => {
  const run = faultRun('TORN', count);
  let tornBatches = 0;
  for (let round = 0; round < run.count; round++) {
    const all = stories(run, 20);
    const appends = interleaved(all, run);
    const torn = appends.findIndex((append) => append.length > 2);
    const batch = appends[torn];
    const stranger = appends.findIndex((append, index) => index > torn && append.length === 1);
    const between = appends[stranger];
    // Now and then there is no batch of three, or nobody behind it.
    if (batch === undefined || between === undefined) continue;
    tornBatches++;
    const at = run.between(1, batch.length - 1);
    const rest = appends.filter((_, index) => index !== torn && index !== stranger);
    const broken = [...rest.slice(0, torn), batch.slice(0, at), between, batch.slice(at), ...rest.slice(torn)];
    const whole = [...rest.slice(0, torn), between, ...rest.slice(torn)];
    const outcomes = fold(logOf(broken)).outcomes.filter((outcome) => outcome === 'rejected batch');
    assert.equal(outcomes.length, batch.length);
    assert.deepEqual(await servedBy(fold(logOf(broken))), await servedBy(fold(logOf(whole))));
  }
  assert.ok(tornBatches >= run.count / 2, `${tornBatches} of ${run.count} rounds tore a batch`);
  context.diagnostic(`${tornBatches} torn batches`);
};
