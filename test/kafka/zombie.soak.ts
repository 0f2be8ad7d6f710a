/** F-zombie, long: 200 keepers are stopped and let go on. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { faultRun } from '../faults/fault-run.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';
import { zombieRounds } from './zombie-rounds.ts';

const run = faultRun('ZOMBIE', 200);

suite('F-zombie, long', { skip: requirePart('kafka') }, () => {
  let broker: Broker;
  before(async () => {
    broker = await startKafka();
  });
  after(() => broker?.end());

  test(`${run.count} rounds`, async (t) => {
    const result = await zombieRounds(broker, 'zombie', run.count, run.random);
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.terms > run.count && result.applied > 0 && result.stale > 0);
  });
});
