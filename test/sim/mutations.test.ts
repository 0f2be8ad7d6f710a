/** The simulation finds what it is there for: every defect that it is given on purpose, within some seeds, by the invariant it breaks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { simulate } from './simulation.ts';
import { Violation } from './world.ts';

const MAX_SEEDS = 25;

for (const [name, invariants] of Object.entries(MUTATIONS))
  test(`found: ${name}`, async (t) => {
    for (let seed = 1; seed <= MAX_SEEDS; seed++) {
      const { failure } = await simulate({ seed, mutation: name as Mutation });
      if (failure === undefined) continue;
      assert.ok(failure instanceof Violation, String(failure));
      assert.ok((invariants as readonly string[]).includes(failure.invariant), `${failure.message}, seed ${seed}`);
      t.diagnostic(`seed ${seed}: ${failure.message}`);
      return;
    }
    assert.fail(`not found in ${MAX_SEEDS} seeds`);
  });
