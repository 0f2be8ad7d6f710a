/** Appends under a proxy that loses requests or answers at random moments. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { OpenedLog } from '../../src/log/index.ts';
import { collect, sampleEvents } from '../contracts/event-log.ts';
import { faultRun } from '../faults/fault-run.ts';
import { type KafkaStand, until } from './kafka-stand.ts';

interface Writing {
  /** Ends the writing; resolves when all appends are settled, with their offsets by id. */
  stop(): Promise<ReadonlyMap<string, number>>;
  count(): number;
}

/** Appends of one to three events, a few at a time, until it is told to stop. */
export const keepWriting = (log: OpenedLog): Writing => {
  const acknowledged = new Map<string, number>();
  let next = 0;
  let going = true;
  const lane = async (): Promise<void> => {
    while (going) {
      const events = sampleEvents(next + 1, 1 + (next % 3));
      next += events.length;
      const { offsets } = await log.append(events);
      for (const [index, { id }] of events.entries()) acknowledged.set(id, offsets[index] ?? 0);
      await pause(3);
    }
  };
  const lanes = Promise.all([lane(), lane(), lane()]);
  return {
    stop: async () => {
      going = false;
      await lanes;
      return acknowledged;
    },
    count: () => acknowledged.size,
  };
};

/** P1: every acknowledged event is in the topic, and its offset is that of its first copy. Returns how many records are second copies. */
export const checkAcknowledged = async (log: OpenedLog, acknowledged: ReadonlyMap<string, number>): Promise<number> => {
  const firsts = new Map<string, number>();
  const records = await collect(log.read({ from: 1 }));
  for (const { offset, event } of records) {
    assert.ok(event !== undefined, `record ${offset} is an event`);
    if (!firsts.has(event.id)) firsts.set(event.id, offset);
  }
  for (const [id, offset] of acknowledged) assert.equal(offset, firsts.get(id), `offset of ${id}`);
  assert.equal(firsts.size, acknowledged.size, 'all that is there was acknowledged');
  return records.length - firsts.size;
};

export const lossRounds = async (context: TestContext, stand: KafkaStand, count: number): Promise<void> => {
  const run = faultRun('KAFKA', count);
  const [topic, dir] = [stand.newTopic(), stand.folder()];
  const log = await stand.open({ port: stand.proxy.port, topic, dir });
  const writing = keepWriting(log);
  for (let round = 0; round < run.count; round++) {
    const before = writing.count();
    await until(`round ${round}: an append`, () => writing.count() > before + 5);
    await stand.proxy.lose(run.random() < 0.5 ? 'answers' : 'requests', run.between(0, 60));
  }
  const acknowledged = await writing.stop();
  const twice = await checkAcknowledged(log, acknowledged);
  const { contact } = log.counters;
  assert.ok((contact?.produceFailures ?? 0) > 0, 'no request was in doubt');
  await log.close();
  const again = await stand.open({ topic });
  await again.settled();
  await checkAcknowledged(again, acknowledged);
  await again.close();
  context.diagnostic(
    `${run.count} times cut off: ${acknowledged.size} acknowledged, 0 lost; ${contact?.produceFailures} requests in doubt, ${twice} records twice`,
  );
};
