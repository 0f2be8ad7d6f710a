/**
 * What may happen to a topic while a replica has it open, and a stop while nobody answers. Invariants K4, R2 and R4 are those of
 * src/log/kafka/topic-records.ts and topic-reader.ts.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Admin, Message } from 'kafkajs';
import { type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { messageOf } from '../../src/log/kafka/cloud-event.ts';
import { KafkaLog } from '../../src/log/kafka/kafka-log.ts';
import { settingsFor } from '../../src/log/kafka/topic-settings.ts';
import { openLmdbBackend } from '../../src/log/lmdb-log.ts';
import { collect, hasCode, MESH, sampleEvent, sampleEvents } from '../contracts/event-log.ts';
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';
import { portOf } from '../support/ports.ts';

const skip = requirePart('kafka');
const clock = { now: Date.now };
/** What the stop of a core has in all (`STOP_CORE_MS` of src/runtime/supervisor.ts). */
const STOP_MS = 2_500;
const folders: string[] = [];
const logs: OpenedLog[] = [];
let proxy: CuttingProxy;
let broker: Broker;
let admin: Admin;
let topics = 0;

before(async () => {
  if (skip !== false) return;
  proxy = await cuttingProxy(() => broker.proxiedPort);
  broker = await startKafka({ proxy: proxy.port });
  admin = await broker.admin();
});
after(async () => {
  for (const log of logs) await log.close();
  if (skip === false) {
    await broker.end();
    proxy.close();
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'tendril-live-topic-'));
  folders.push(made);
  return made;
};
const newTopic = (): string => `live-${++topics}`;
const open = async (topic: string, dir: string, port = broker.port): Promise<OpenedLog> => {
  const log = await openEventLog({ kind: `kafka://127.0.0.1:${port}/${topic}`, dir, mesh: MESH, clock });
  logs.push(log);
  return log;
};

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1_200, `not within 60 s: ${what}`);
    await pause(50);
  }
};

/** Before the time of a stop is over, in which a broker that hangs gives no answer. */
const closesInTime = async (log: OpenedLog): Promise<void> => {
  const first = await Promise.race([log.close().then(() => 'closed'), pause(STOP_MS, 'killed', { ref: false })]);
  assert.equal(first, 'closed');
};

describe('R4: a stop while the broker accepts and never answers', () => {
  let silent: Server;
  const accepted = new Set<Socket>();

  before(async () => {
    silent = createServer((socket) => {
      accepted.add(socket);
      socket.on('error', () => undefined);
      socket.resume();
    });
    await new Promise<void>((listening) => {
      silent.listen(0, '127.0.0.1', listening);
    });
  });
  after(() => {
    silent.close();
    for (const socket of accepted) socket.destroy();
  });

  test('the first contact is being made', async () => {
    const address = { brokers: [`127.0.0.1:${portOf(silent)}`], topic: 'any' };
    const opened = await openLmdbBackend({ dir: folder(), mesh: MESH });
    const log = new KafkaLog(
      { address, settings: {}, mesh: MESH, clock, random: Math.random, tokenPrefix: 'p' },
      opened,
    );
    logs.push(log);
    await until('a connection', () => accepted.size > 0);
    const waits = assert.rejects(log.append([sampleEvent(1)]), hasCode('LOG_CLOSED'));
    await closesInTime(log);
    await waits;
  });
});

describe('a live topic', { skip, concurrency: false }, () => {
  test('R4: closed with an append in flight that nobody answers', async () => {
    const log = await open(newTopic(), folder(), proxy.port);
    await log.append([sampleEvent(1)]);
    const silence = proxy.lose('answers', STOP_MS + 500);
    const waits = assert.rejects(log.append([sampleEvent(2)]), hasCode('LOG_CLOSED'));
    await closesInTime(log);
    await waits;
    await silence;
  });

  test('K4: compression.type is changed: the batch that is not read ends the reading, with its remedy; nothing of it is here, no append hangs', async () => {
    const [topic, dir] = [newTopic(), folder()];
    const log = await open(topic, dir);
    await log.append(sampleEvents(1, 2));
    const configEntries = settingsFor(1).map(({ name, value }) =>
      name === 'compression.type' ? { name, value: 'zstd' } : { name, value },
    );
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: topic, configEntries }] });
    // The broker takes it up a moment after its answer.
    let refused: unknown;
    for (let n = 3; refused === undefined && n < 100; n++) {
      await log.append([sampleEvent(n)]).catch((error: unknown) => {
        refused = error;
      });
    }
    assert.ok(hasCode('KAFKA_TOPIC_UNFIT')(refused), String(refused));
    assert.equal(log.condition.state, 'broken');
    assert.match(log.condition.message ?? '', /compressed with zstd.*compression\.type/);
    assert.match(log.condition.remedy ?? '', /compression\.type=uncompressed/);
    assert.equal(log.waitingBytes, 0);
    const records = await collect(log.read({ from: 1 }));
    assert.ok(records.length >= 2 && records.every(({ event }) => event !== undefined), 'nothing was skipped');
    await log.close();
    await assert.rejects(open(topic, dir), hasCode('KAFKA_TOPIC_UNFIT'), 'the setting itself is refused at a contact');
  });

  test('R2: nothing at the newest offset, as with a high watermark that lags, is no break: it is tried again', async () => {
    const [topic, dir] = [newTopic(), folder()];
    const log = await open(topic, dir);
    await log.append(sampleEvents(1, 3));
    await log.close();
    await admin.deleteTopics({ topics: [topic] });
    const configEntries = [...settingsFor(1)];
    for (let made = false; !made; ) {
      await pause(100);
      made = await admin
        .createTopics({
          waitForLeaders: false,
          topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }],
        })
        .catch(() => false);
    }
    const producer = await broker.producer();
    await producer.send({ topic, messages: [11, 12].map((n) => messageOf(sampleEvent(n)) as Message) });
    const behind = await open(topic, dir);
    await until('away', () => behind.condition.state !== 'catching-up');
    assert.deepEqual([behind.condition.state, behind.condition.code], ['away', 'LOG_AWAY']);
    assert.match(behind.condition.message ?? '', /cannot be read .* yet/);
    await producer.send({ topic, messages: [messageOf(sampleEvent(13)) as Message] });
    await until('the comparison', () => behind.condition.state === 'broken');
    assert.equal(behind.condition.code, 'LOG_OF_ANOTHER_TOPIC', 'read as soon as it is there');
    await behind.close();
  });
});
