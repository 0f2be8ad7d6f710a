/** F-dup and F-order on Kafka: what others write twice, and between each other, folds to the state of once and in order. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Message } from 'kafkajs';
import { type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { messageOf } from '../../src/log/kafka/cloud-event.ts';
import { unreadableRecord } from '../../src/log/kafka/unreadable.ts';
import { openLmdbBackend } from '../../src/log/lmdb-log.ts';
import type { ReadyRecord } from '../../src/log/ready-record.ts';
import type { EventEnvelope } from '../../src/model/index.ts';
import { Projector } from '../../src/projector/index.ts';
import { collect } from '../contracts/event-log.ts';
import { faultRun } from '../faults/fault-run.ts';
import { endpoint, registered, MESH as SHOP } from '../projector/mesh-events.ts';
import { type KafkaStand, until } from './kafka-stand.ts';

const clock = { now: Date.now };

/** State hash and chain of a replica that folds the topic from the start. */
export const proofOf = async (log: OpenedLog, dir: string, end: number): Promise<object> => {
  await until(`${end} records`, () => log.head().offset >= end);
  const projector = await Projector.open({ dir, log, mesh: SHOP, clock });
  await projector.waitFor(end);
  const proof = projector.proof();
  const quarantined = projector.fold.counters.quarantined;
  await projector.close();
  await log.close();
  return { ...proof, quarantined };
};

const reopened = async (stand: KafkaStand, topic: string): Promise<OpenedLog> => {
  const log = await stand.open({ topic, mesh: SHOP });
  await log.settled();
  return log;
};

export const dupRounds = async (context: TestContext, stand: KafkaStand, count: number): Promise<void> => {
  const run = faultRun('KAFKA_DUP', count);
  const services = Array.from({ length: 20 }, (_, n) => registered(`s${n}`));
  const lanes: EventEnvelope[][] = [[], [], []];
  for (let n = 0; n < run.count; n++) {
    const service = Math.floor(run.random() * 20);
    const one = endpoint(`s${service}`, `e${Math.floor(run.random() * 5)}`, {
      address: `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
    });
    lanes[service % lanes.length]?.push(one);
  }
  const messy = stand.newTopic();
  const log = await stand.open({ topic: messy, mesh: SHOP });
  await log.append(services);
  const sent: EventEnvelope[] = [];
  const others = await Promise.all(lanes.map(() => stand.broker.producer()));
  // Each lane has its order; between them chance decides, and each event comes again at any time after itself.
  await Promise.all(
    lanes.map(async (lane, at) => {
      for (let from = 0; from < lane.length; ) {
        const part = lane.slice(from, from + 1 + Math.floor(run.random() * 60));
        from += part.length;
        const again = lane.slice(0, from).filter(() => run.random() < 0.1 / (lane.length / 60));
        const twice = part.filter(() => run.random() < 0.1);
        sent.push(...part);
        if (at === 0) await log.append([...part, ...twice, ...again]);
        else
          await others[at]?.send({
            topic: messy,
            messages: [...part, ...twice, ...again].map((event) => messageOf(event) as Message),
          });
      }
    }),
  );
  const { high } = (await (await stand.broker.admin()).fetchTopicOffsets(messy))[0] ?? assert.fail();
  await until('all', () => log.head().offset === Number(high));
  await log.close();
  assert.ok(Number(high) > services.length + run.count, 'nothing was sent twice');
  assert.equal(sent.length, run.count);
  const order = await collect((await reopened(stand, messy)).read({ from: 1 }));
  const seen = new Set<string>();
  // The state holds offsets and times: something that has no effect stands where the second copies were.
  const once = order.map(({ event, recordedAt, bytes }): ReadyRecord => {
    if (event === undefined || seen.has(event.id)) return unreadableRecord('a second copy', recordedAt);
    seen.add(event.id);
    return { json: Buffer.from(bytes).toString('utf8', 8), bytes: bytes.length, recordedAt, event };
  });
  const dir = stand.folder();
  const { backend } = await openLmdbBackend({ dir, mesh: SHOP });
  await backend.copy(once, 1);
  await backend.close();
  const ordered = stand.keep(await openEventLog({ kind: 'lmdb', dir, mesh: SHOP, clock }));
  assert.equal(seen.size, services.length + run.count);
  const { hash } = (await proofOf(await reopened(stand, messy), stand.folder(), Number(high))) as { hash: unknown };
  const { hash: expected } = (await proofOf(ordered, dir, Number(high))) as { hash: unknown };
  assert.equal(String(hash), String(expected));
  context.diagnostic(`${run.count} events, ${Number(high) - services.length - run.count} second copies, one state`);
};
