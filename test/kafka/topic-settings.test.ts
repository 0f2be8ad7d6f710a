/** Which settings of a topic are refused, and which are only not advised. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { judgeTopic, requireFit, settingsFor, type TopicFacts } from '../../src/log/kafka/topic-settings.ts';
import { TendrilError } from '../../src/model/index.ts';

const ADDRESS = { brokers: ['127.0.0.1:9092'], topic: 'mesh' };
const good = new Map(settingsFor(3).map(({ name, value }) => [name, value]));
const factsWith = (changes: Readonly<Record<string, string>>, more: Partial<TopicFacts> = {}): TopicFacts => ({
  partitions: 1,
  replicas: 3,
  settings: new Map([...good, ...Object.entries(changes)]),
  ...more,
});

describe('settings of the topic', () => {
  test('what Tendril creates is what it asks for, without a warning', () => {
    const verdict = judgeTopic(factsWith({}));
    assert.deepEqual([verdict.unfit, verdict.warnings], [[], []]);
    assert.equal(verdict.maxMessageBytes, 16 * 2 ** 20);
    requireFit(verdict, ADDRESS);
  });

  test('each wrong setting is named with what was found, what is needed, and the command that mends it', () => {
    const wrong: Readonly<Record<string, readonly [found: string, needed: string]>> = {
      'cleanup.policy': ['compact', 'delete'],
      'message.timestamp.type': ['CreateTime', 'LogAppendTime'],
      'compression.type': ['producer', 'uncompressed'],
      'max.message.bytes': ['1048588', '16777216'],
    };
    for (const [name, [found, needed]] of Object.entries(wrong)) {
      assert.throws(
        () => requireFit(judgeTopic(factsWith({ [name]: found })), ADDRESS),
        (error) => {
          assert.ok(error instanceof TendrilError);
          assert.equal(error.code, 'KAFKA_TOPIC_UNFIT');
          assert.ok(error.message.includes(`${name} is ${found}, needed is ${needed}`), error.message);
          assert.ok(error.remedy?.includes(`--entity-name mesh --add-config ${name}=${needed}`), error.remedy);
          return true;
        },
      );
    }
    assert.throws(
      () => requireFit(judgeTopic(factsWith({}, { partitions: 3 })), ADDRESS),
      /partitions is 3, needed is 1/,
    );
    assert.deepEqual(judgeTopic(factsWith({ 'compression.type': 'gzip' })).unfit, []);
  });

  test('what works but may lose events is a warning', () => {
    const warned = (changes: Readonly<Record<string, string>>, more: Partial<TopicFacts> = {}): readonly string[] =>
      judgeTopic(factsWith(changes, more)).warnings;
    assert.match(warned({ 'retention.ms': '604800000' })[0] ?? '', /retention.ms is 604800000/);
    assert.match(warned({ 'retention.bytes': '1' })[0] ?? '', /retention.bytes is 1/);
    assert.match(warned({ 'min.insync.replicas': '1' })[0] ?? '', /min.insync.replicas is 1 with 3 replicas/);
    assert.deepEqual(warned({ 'min.insync.replicas': '1' }, { replicas: 1 }), []);
    assert.match(warned({ 'unclean.leader.election.enable': 'true' })[0] ?? '', /unclean/);
    assert.match(warned({}, { settings: undefined })[0] ?? '', /may not be read/);
  });
});
