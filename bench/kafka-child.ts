/**
 * A producer of CloudEvents in a process of its own, for bench/kafka.ts: `kafka-child BROKER TOPIC MODE COUNT`. `load`: all services
 * and endpoints. `batches`: COUNT changes as fast as the broker takes them, 1,000 at a time. `singles`: 1,000 changes a second for
 * COUNT seconds; what came due while a request was under way goes with the next. Each event says when it was produced.
 */
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { messageOf } from '../src/log/kafka/cloud-event.ts';
import type { EventEnvelope } from '../src/model/index.ts';
import { changeEvents, initialEvents, randomFrom } from '../test/projector/mesh-events.ts';
import { KAFKA_MESH } from './kafka.ts';

const [broker = '', topic = '', mode = '', count = '0'] = process.argv.slice(2);
const BATCH = 1000;
const PER_MS = 1;

const kafka = new Kafka({ brokers: [broker], clientId: 'bench', logLevel: logLevel.ERROR });
const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
await producer.connect();

const now = (): number => performance.timeOrigin + performance.now();
const send = async (events: readonly EventEnvelope[]): Promise<void> => {
  const messages = events.map((event) => ({ ...messageOf(event) }));
  await producer.send({ topic, acks: -1, messages });
};
const prefix = `${mode}-${process.pid}`;
let made = 0;
const next = changeEvents(KAFKA_MESH, randomFrom(1));
const change = (): EventEnvelope => ({ ...next(), id: `${prefix}-${made++}`, reason: String(now()) });

if (mode === 'load') {
  let batch: EventEnvelope[] = [];
  for (const event of initialEvents(KAFKA_MESH)) {
    batch.push(event);
    if (batch.length < BATCH) continue;
    await send(batch);
    batch = [];
  }
  if (batch.length > 0) await send(batch);
} else if (mode === 'batches') {
  for (let sent = 0; sent < Number(count); sent += BATCH) await send(Array.from({ length: BATCH }, change));
} else {
  const begun = performance.now();
  const total = Number(count) * 1000 * PER_MS;
  let due: EventEnvelope[] = [];
  let sending: Promise<void> | undefined;
  const flush = (): void => {
    if (sending !== undefined || due.length === 0) return;
    const events = due;
    due = [];
    sending = send(events).then(() => {
      sending = undefined;
      flush();
    });
  };
  while (made < total) {
    await new Promise((done) => setTimeout(done, 1));
    const wanted = Math.min(total, Math.floor((performance.now() - begun) * PER_MS));
    while (made < wanted) due.push(change());
    flush();
  }
  while (sending !== undefined || due.length > 0) await new Promise((done) => setTimeout(done, 5));
}
await producer.disconnect();
