/** F-zombie (reliability, section 4b), short: `TENDRIL_ZOMBIE_COUNT` rounds, waits by `TENDRIL_ZOMBIE_SEED`. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { faultRun } from '../faults/fault-run.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';
import { zombieRounds } from './zombie-rounds.ts';

const run = faultRun('ZOMBIE', 20);

suite('F-zombie', { skip: requirePart('kafka') }, () => {
  let broker: Broker;
  before(async () => {
    broker = await startKafka();
  });
  after(() => broker?.end());

  test(`${run.count} keepers that were followed by another write nothing that counts (seed ${run.seed})`, async (t) => {
    const result = await zombieRounds(broker, 'zombie', run.count, run.random);
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.terms > run.count, 'every round has a new term');
    assert.ok(result.applied > 0 && result.stale > 0, 'keepers wrote, and some wrote after their term');
  });
});
