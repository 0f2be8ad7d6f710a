/**
 * Appends between the topic and the mirror, with a stand-in for the broker that loses what it has acknowledged: a single real one
 * cannot. Invariants P1 to P5 are those of src/log/kafka/appender.ts.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AppendQueue } from '../../src/log/append-queue.ts';
import { Appender } from '../../src/log/kafka/appender.ts';
import { APPEND_HEADER, type KafkaMessage } from '../../src/log/kafka/cloud-event.ts';
import type { KafkaClient } from '../../src/log/kafka/kafka-client.ts';
import type { Mirror } from '../../src/log/kafka/mirror.ts';
import type { TopicReader } from '../../src/log/kafka/topic-reader.ts';
import { unreadableRecord } from '../../src/log/kafka/unreadable.ts';
import { encodeEvent } from '../../src/log/record-codec.ts';
import { MESH, sampleEvents } from '../log/sample-events.ts';

const standIn = () => {
  const sent: { readonly messages: readonly KafkaMessage[]; readonly base: number }[] = [];
  let end = 10;
  let told: (() => void) | undefined;
  const client = {
    newProducer: async () => ({ id: 1, epoch: 0, sequence: 0 }),
    produce: async (_: unknown, messages: readonly KafkaMessage[]) => {
      const base = end;
      end += messages.length;
      sent.push({ messages, base });
      queueMicrotask(() => told?.());
      return base;
    },
  } as unknown as KafkaClient;
  const reader = { client, contact: { state: 'live' }, cut: () => undefined } as unknown as TopicReader;
  const appender = new Appender({ reader, mirror: {} as Mirror, topic: 't', tokenPrefix: 'p' });
  const limits = { maxWaitingBytes: 2 ** 20, maxCommitBytes: 2 ** 20 };
  const queue = new AppendQueue(
    () => limits,
    (group) => appender.write(group),
  );
  return {
    appender,
    queue,
    sent,
    append: (from: number, count: number) =>
      queue.enqueue(sampleEvents(from, count).map((event) => encodeEvent(event, MESH))),
    /** Until so many requests have been made. */
    requests: async (count: number): Promise<void> => {
      while (sent.length < count) await new Promise<void>((next) => (told = next));
      await appender.idle();
    },
    /** The leader was lost, and with it everything from `offset` of the topic on. */
    cutTo: (offset: number): void => {
      end = offset;
    },
    /** The mirror has read the topic's `count` records from `offset` on. */
    mirrored: (offset: number, count: number, tokens: readonly (string | undefined)[] = []): void => {
      const records = Array.from({ length: count }, () => unreadableRecord('for this test', 7));
      const appends = tokens.flatMap((token, index) => (token === undefined ? [] : [{ token, index }]));
      appender.mirrored({ records, appends }, offset + 1);
    },
  };
};

const tokensOf = (messages: readonly KafkaMessage[] = []): readonly (string | undefined)[] =>
  messages.map(({ headers }) => headers[APPEND_HEADER]);

describe('appends that were acknowledged', () => {
  test('P5: lost with the leader: sent again when the mirror has passed their place, and settled by the copy that is read', async () => {
    const { append, appender, cutTo, mirrored, requests, sent } = standIn();
    const [one, two] = [append(1, 2), append(3, 1)];
    await requests(1);
    assert.deepEqual([sent[0]?.base, sent[0]?.messages.length], [10, 3]);
    cutTo(10);
    // Somebody else's records are where the batch was.
    mirrored(10, 2);
    await appender.idle();
    assert.equal(sent.length, 1, 'its last record may still come');
    cutTo(13);
    mirrored(12, 1);
    await requests(2);
    assert.deepEqual(tokensOf(sent[1]?.messages), tokensOf(sent[0]?.messages), 'the same appends');
    assert.equal(appender.counters.sentAgain, 2);
    mirrored(13, 3, tokensOf(sent[1]?.messages));
    assert.deepEqual([(await one).offsets, (await two).offsets], [[14, 15], [16]]);
  });

  test('P1, P5: what was read back is not sent again', async () => {
    const { append, appender, mirrored, requests, sent } = standIn();
    const appended = append(1, 2);
    await requests(1);
    mirrored(10, 2, tokensOf(sent[0]?.messages));
    mirrored(12, 50);
    assert.deepEqual((await appended).offsets, [11, 12]);
    await appender.idle();
    assert.deepEqual([sent.length, appender.counters.sentAgain], [1, 0]);
  });
});
