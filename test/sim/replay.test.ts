/** A seed decides everything: else a failing one could not be looked at again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulate } from './simulation.ts';

const SEEDS = 20;

test('20 seeds, each run twice, leave the same trace to the last line; different seeds do not', async () => {
  const digests = new Map<number, string>();
  for (let seed = 1; seed <= SEEDS; seed++) digests.set(seed, (await simulate({ seed })).digest);
  // In another order, in a process that has been warmed up.
  for (let seed = SEEDS; seed >= 1; seed--) {
    const again = await simulate({ seed });
    assert.equal(again.digest, digests.get(seed), `seed ${seed} took another way the second time`);
  }
  assert.equal(new Set(digests.values()).size, SEEDS);
});

test('a run that fails takes the same way to its failure, and says which seed it was', async () => {
  const mutation = 'altered event on one replica';
  for (let seed = 1; ; seed++) {
    const first = await simulate({ seed, mutation });
    if (first.failure === undefined) continue;
    const second = await simulate({ seed, mutation });
    assert.equal(String(second.failure), String(first.failure));
    assert.equal(second.digest, first.digest);
    assert.deepEqual(second.tail, first.tail);
    return;
  }
});
