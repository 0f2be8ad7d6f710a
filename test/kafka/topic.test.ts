/**
 * A log on a real topic: created and checked, cut, made anew, written to by others (F-kafka-loss, F-dup, F-order). Invariants R1 and R2
 * are those of src/log/kafka/topic-reader.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Admin, Message, Producer } from 'kafkajs';
import { type LogRecord, type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { messageOf } from '../../src/log/kafka/cloud-event.ts';
import { collect, hasCode, MESH, sampleEvent, sampleEvents } from '../contracts/event-log.ts';
import { endpoint, MESH as SHOP } from '../projector/mesh-events.ts';
import type { Broker } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';
import { dupRounds, proofOf } from './dup-rounds.ts';
import { KafkaStand, until } from './kafka-stand.ts';

const skip = requirePart('kafka');
const clock = { now: Date.now };
let stand: KafkaStand;
let broker: Broker;
let admin: Admin;
let producer: Producer;

before(async () => {
  if (skip !== false) return;
  stand = await KafkaStand.start();
  broker = stand.broker;
  admin = await broker.admin();
  producer = await broker.producer();
});
after(() => stand?.end());

const folder = (): string => stand.folder();
const newTopic = (): string => stand.newTopic();
const open = (topic: string, dir: string, mesh = MESH): Promise<OpenedLog> => stand.open({ topic, dir, mesh });

/** Made by hand, with the settings that are needed but for `changes`. */
const createTopic = async (topic: string, changes: Readonly<Record<string, string>> = {}): Promise<void> => {
  const settings = {
    'message.timestamp.type': 'LogAppendTime',
    'compression.type': 'uncompressed',
    'max.message.bytes': '16777216',
    'retention.ms': '-1',
    ...changes,
  };
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  const topicOf = { topic, numPartitions: 1, replicationFactor: 1, configEntries };
  await admin.createTopics({ waitForLeaders: false, topics: [topicOf] });
};

const cutBefore = async (topic: string, offset: string): Promise<void> => {
  // The client looks for the leader in metadata that only this call fetches.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
};

/** Deletes and creates it again with `count` events, of another id range. */
const makeAnew = async (topic: string, count: number): Promise<void> => {
  await admin.deleteTopics({ topics: [topic] });
  for (let tries = 0; (await admin.listTopics()).includes(topic); tries++) {
    assert.ok(tries < 1_200);
    await new Promise((next) => setTimeout(next, 50));
  }
  await createTopic(topic);
  const messages = Array.from({ length: count }, (_, n) => messageOf(sampleEvent(1000 + n)) as Message);
  if (count > 0) await producer.send({ topic, messages });
};

const broken = async (log: OpenedLog, code: string, ...words: readonly string[]): Promise<void> => {
  await until(code, () => log.condition.state === 'broken');
  assert.equal(log.condition.code, code);
  for (const word of words) assert.ok(log.condition.message?.includes(word), `${log.condition.message} says ${word}`);
  assert.ok(log.condition.remedy?.includes('tendril recover'));
  await assert.rejects(log.append([sampleEvent(99)]), hasCode(code));
};

describe('the topic', { skip, concurrency: false }, () => {
  test('is created with the settings that a log needs', async () => {
    const topic = newTopic();
    const log = await open(topic, folder());
    const { topics: found } = await admin.fetchTopicMetadata({ topics: [topic] });
    assert.equal(found[0]?.partitions.length, 1);
    const described = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] });
    const settings = new Map(described.resources[0]?.configEntries.map((e) => [e.configName, e.configValue]));
    assert.deepEqual(
      ['cleanup.policy', 'message.timestamp.type', 'retention.ms', 'retention.bytes'].map((name) => settings.get(name)),
      ['delete', 'LogAppendTime', '-1', '-1'],
    );
    assert.equal(log.condition.warnings, undefined);
    await log.close();
  });

  test('is refused when a setting is wrong, with its name and the command; a doubtful one is a warning', async () => {
    const [compacted, doubtful] = [newTopic(), newTopic()];
    await createTopic(compacted, { 'cleanup.policy': 'compact' });
    await assert.rejects(open(compacted, folder()), (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, 'KAFKA_TOPIC_UNFIT');
      assert.match(error.message, /cleanup.policy is compact, needed is delete/);
      assert.match(error.remedy ?? '', /kafka-configs.sh .*cleanup.policy=delete/);
      return true;
    });
    await createTopic(doubtful, { 'retention.ms': '604800000' });
    const log = await open(doubtful, folder());
    assert.match(log.condition.warnings?.[0] ?? '', /retention.ms/);
    await log.close();
  });

  test('a directory belongs to its topic: another one, or a log of its own, is refused', async () => {
    const [topic, dir] = [newTopic(), folder()];
    const log = await open(topic, dir);
    await log.append(sampleEvents(1, 2));
    await log.close();
    await assert.rejects(open(newTopic(), dir), hasCode('LOG_OF_ANOTHER_TOPIC'));
    await assert.rejects(openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock }), hasCode('LOG_IS_MIRROR'));
    const reading = await openEventLog({ kind: 'lmdb', dir, mesh: MESH, clock, readingOnly: true });
    assert.equal(reading.head().offset, 2, 'tools read the mirror without a broker');
    await reading.close();
    const own = folder();
    const lmdb = await openEventLog({ kind: 'lmdb', dir: own, mesh: MESH, clock });
    await lmdb.append(sampleEvents(7, 2));
    await lmdb.close();
    const mistaken = await open(topic, own);
    await broken(mistaken, 'LOG_OF_ANOTHER_TOPIC', 'record 2');
    await mistaken.close();
    const still = await openEventLog({ kind: 'lmdb', dir: own, mesh: MESH, clock });
    assert.equal(still.head().offset, 2, 'the mistake has changed nothing');
    await still.close();
  });
});

describe('F-kafka-loss: events that are needed are gone', { skip, concurrency: false }, () => {
  const filled = async (count: number): Promise<{ readonly topic: string; readonly dir: string }> => {
    const [topic, dir] = [newTopic(), folder()];
    const log = await open(topic, dir);
    await log.append(sampleEvents(1, count));
    await log.close();
    return { topic, dir };
  };
  const serves = async (log: OpenedLog, count: number): Promise<void> => {
    assert.equal(log.head().offset, count);
    assert.equal((await collect(log.read({ from: 1 }))).length, count, 'what is here is served');
  };

  test('R2: cut at its beginning while the replica was down: the missing range is named, nothing is skipped', async () => {
    const { topic, dir } = await filled(5);
    const writer = await open(topic, folder());
    await writer.append(sampleEvents(6, 15));
    await writer.close();
    await cutBefore(topic, '12');
    const log = await open(topic, dir);
    await broken(log, 'LOG_GAP', 'offsets 6 to 12 are missing');
    await serves(log, 5);
    await log.close();
    await assert.rejects(open(topic, folder()), hasCode('LOG_GAP'), 'a new replica cannot begin in the middle');
  });

  test('cut up to just what the replica has: it goes on', async () => {
    const { topic, dir } = await filled(5);
    await cutBefore(topic, '5');
    const log = await open(topic, dir);
    assert.deepEqual((await log.append([sampleEvent(6)])).offsets, [6]);
    await log.close();
  });

  test('R2: made anew with fewer events: cut; none at all: cut; while it runs: noticed', async () => {
    for (const left of [3, 0]) {
      const { topic, dir } = await filled(5);
      await makeAnew(topic, left);
      const log = await open(topic, dir);
      await broken(log, 'LOG_TRUNCATED', `ends at offset ${left}`, 'up to 5');
      await serves(log, 5);
      await log.close();
    }
    const { topic, dir } = await filled(5);
    const running = await open(topic, dir);
    await until('live', () => running.condition.state === 'live');
    await admin.deleteTopics({ topics: [topic] });
    await broken(running, 'LOG_TRUNCATED', 'is gone');
    await serves(running, 5);
    await running.close();
  });

  test('R1: made anew with as many events, or more: another topic', async () => {
    for (const more of [5, 9]) {
      const { topic, dir } = await filled(5);
      await makeAnew(topic, more);
      const log = await open(topic, dir);
      await broken(log, 'LOG_OF_ANOTHER_TOPIC', 'record 5');
      await serves(log, 5);
      await log.close();
    }
  });
});

const replay = async (topic: string, end: number): Promise<object> => {
  const dir = folder();
  return await proofOf(await open(topic, dir, SHOP), dir, end);
};

describe('other producers', { skip, concurrency: false }, () => {
  const plain = (id: string, data: object | string, headers: Readonly<Record<string, string>> = {}): Message => ({
    value: typeof data === 'string' ? data : JSON.stringify(data),
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: '/registry',
      ce_type: 'service.registered',
      'content-type': 'application/json; charset=utf-8',
      ...headers,
    },
  });
  const cart = { namespace: 'shop', name: 'cart', ports: [{ port: 80, protocol: 'http' }] };

  test('good, bad, garbage, compressed and transactional: quarantined alike in two replicas', async () => {
    const topic = newTopic();
    const first = await open(topic, folder(), SHOP);
    await producer.send({ topic, messages: [plain('1', cart), plain('2', { ...cart, name: 7 })] });
    await producer.send({ topic, messages: [{ value: 'garbage' }, { key: 'k', value: null }] });
    await producer.send({ topic, messages: [plain('3', 'not JSON'), plain('4', cart, { ce_mesh: 'other' })] });
    await producer.send({ topic, compression: 1, messages: [plain('5', { ...cart, name: 'web' })] });
    const structured = { specversion: '1.0', id: '6', source: '/registry', type: 'service.registered' };
    await producer.send({
      topic,
      messages: [
        {
          value: JSON.stringify({ ...structured, data: { ...cart, name: 'reviews' } }),
          headers: { 'content-type': 'application/cloudevents+json' },
        },
      ],
    });
    const transactional = await broker.producer({ transactionalId: topic, maxInFlightRequests: 1, idempotent: true });
    const aborted = await transactional.transaction();
    await aborted.send({ topic, messages: [plain('7', { ...cart, name: 'aborted' })] });
    await aborted.abort();
    const committed = await transactional.transaction();
    await committed.send({ topic, messages: [plain('8', { ...cart, name: 'committed' })] });
    await committed.commit();
    // The mark of a commit comes a moment after its answer.
    await until('the mark', () => first.head().offset === 12);
    await first.append([endpoint('cart', 'cart-1')]);
    const end = first.head().offset;
    const records = await collect(first.read({ from: 1 }));
    const shape = (record: LogRecord): string => record.event?.id ?? record.unreadable?.replace(/^.*event: /, '') ?? '';
    assert.deepEqual(records.slice(0, 12).map(shape), [
      ...['1', '2', 'it is no CloudEvent: neither header ce_specversion nor structured mode'],
      'it is no CloudEvent: neither header ce_specversion nor structured mode',
      ...['its value is not JSON', 'it belongs to mesh "other", this log to "default"', '5', '6'],
      ...['its transaction was aborted', 'the mark of a transaction', '8', 'the mark of a transaction'],
    ]);
    assert.equal(end, 13);
    await first.close();
    const [one, two] = [await replay(topic, end), await replay(topic, end)];
    assert.deepEqual(one, two);
    // What is no event, and event 2, whose data has the wrong shape.
    assert.equal((one as { quarantined: number }).quarantined, 8);
  });

  test('F-dup, F-order: one event in ten sent twice, producers interleaved: the same state as once and in order', (context) =>
    dupRounds(context, stand, 2_000));
});
