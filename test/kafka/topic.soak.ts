/** F-dup and F-order on Kafka, long. */
import { after, before, suite, test } from 'node:test';
import { requirePart } from '../support/parts.ts';
import { dupRounds } from './dup-rounds.ts';
import { KafkaStand } from './kafka-stand.ts';

suite('F-dup, F-order on Kafka, long', { skip: requirePart('kafka') }, () => {
  let stand: KafkaStand;
  before(async () => {
    stand = await KafkaStand.start();
  });
  after(() => stand?.end());

  test('100,000 events', (context) => dupRounds(context, stand, 100_000));
});
