/** A broker that hangs, dies, is away, or whose answers are lost (F-kafka-down). Invariants P1 to P4 are those of src/log/kafka/appender.ts. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Message } from 'kafkajs';
import { messageOf } from '../../src/log/kafka/cloud-event.ts';
import { cleanUp, serve } from '../cli/support/tendril.ts';
import { collect, hasCode, sampleEvent, sampleEvents } from '../contracts/event-log.ts';
import { requirePart } from '../support/parts.ts';
import { KafkaStand, until } from './kafka-stand.ts';
import { checkAcknowledged, keepWriting, lossRounds } from './loss-rounds.ts';

const skip = requirePart('kafka');
let stand: KafkaStand;

before(async () => {
  if (skip === false) stand = await KafkaStand.start();
});
after(async () => {
  cleanUp();
  await stand?.end();
});

describe('F-kafka-down', { skip, concurrency: false }, () => {
  test('P1, P2, P3: answers or requests are lost at any moment: nothing acknowledged is lost, first offsets are answered', (context) =>
    lossRounds(context, stand, 12));

  test('P1: kill -9 of the broker, and one that stands still: appends wait, and are there afterwards', async () => {
    const log = await stand.open();
    const writing = keepWriting(log);
    await until('some appends', () => writing.count() > 50);
    await stand.broker.kill();
    await until('away', () => log.condition.state === 'away');
    assert.equal(log.condition.code, 'LOG_AWAY');
    const atKill = writing.count();
    await stand.broker.start();
    await until('appends go on', () => writing.count() > atKill + 50);
    stand.broker.signal('SIGSTOP');
    await pause(1500);
    const standing = writing.count();
    stand.broker.signal('SIGCONT');
    await until('appends go on', () => writing.count() > standing + 50);
    await checkAcknowledged(log, await writing.stop());
    await log.close();
  });

  test('P4: away: what is here is served; appends wait within the bound, or are refused as asked; back: they are written', async () => {
    const [topic, refusing, dir] = [stand.newTopic(), stand.newTopic(), stand.folder()];
    const bytes = Buffer.byteLength(JSON.stringify(sampleEvent(1))) + 8;
    const waiting = await stand.open({
      port: stand.proxy.port,
      topic,
      dir,
      limits: { maxWaitingBytes: 3 * bytes + 3 },
    });
    const refuses = await stand.open({ port: stand.proxy.port, topic: refusing, kafka: { whenAway: 'refuse' } });
    await waiting.append(sampleEvents(1, 2));
    await stand.proxy.down();
    for (const log of [waiting, refuses]) await until('away', () => log.condition.state === 'away');
    assert.equal((await collect(waiting.read({ from: 1 }))).length, 2);
    const appends = [3, 4, 5].map((n) => waiting.append([sampleEvent(n)]));
    await assert.rejects(waiting.append([sampleEvent(6)]), hasCode('LOG_BACKPRESSURE'));
    await assert.rejects(refuses.append([sampleEvent(1)]), hasCode('LOG_AWAY'));
    assert.equal(waiting.waitingBytes, 3 * bytes);
    const refused = assert.rejects(stand.open({ port: stand.proxy.port, topic }), hasCode('LOG_AWAY'));
    await refused;
    await stand.proxy.up();
    assert.deepEqual(
      (await Promise.all(appends)).flatMap(({ offsets }) => offsets),
      [3, 4, 5],
    );
    await until('live', () => refuses.condition.state === 'live');
    assert.deepEqual((await refuses.append([sampleEvent(1)])).offsets, [1]);
    assert.ok((waiting.counters.contact?.awayMs ?? 0) > 0);
    await refuses.close();
    await waiting.close();
  });

  test('P4: closed while it is away: what waits is told so', async () => {
    const [topic, dir] = [stand.newTopic(), stand.folder()];
    const log = await stand.open({ port: stand.proxy.port, topic, dir });
    await log.append([sampleEvent(1)]);
    await stand.proxy.down();
    await until('away', () => log.condition.state === 'away');
    const waits = assert.rejects(log.append([sampleEvent(2)]), hasCode('LOG_CLOSED'));
    await log.close();
    await waits;
    const offline = await stand.open({ port: stand.proxy.port, topic, dir });
    assert.equal(offline.condition.state, 'away');
    assert.equal(offline.head().offset, 1, 'it starts from its mirror');
    await stand.proxy.up();
    await until('live', () => offline.condition.state === 'live');
    assert.deepEqual((await offline.append([sampleEvent(3)])).offsets, [2]);
    await offline.close();
  });

  test('back: 20,000 events that another producer wrote meanwhile are here within 10 s', async () => {
    const topic = stand.newTopic();
    const log = await stand.open({ port: stand.proxy.port, topic });
    await log.append(sampleEvents(1, 5));
    await stand.proxy.down();
    await until('away', () => log.condition.state === 'away');
    const producer = await stand.broker.producer();
    const events = sampleEvents(6, 20_000);
    const began = performance.now();
    for (let at = 0; at < events.length; at += 500) {
      const messages = events.slice(at, at + 500).map((event) => messageOf(event));
      await producer.send({ topic, messages: messages as Message[] });
    }
    /** On a machine that is busy with other things this takes longer, and what follows too. */
    const usualMs = Math.min(performance.now() - began, 10_000);
    assert.equal(log.head().offset, 5);
    await stand.proxy.up();
    const back = performance.now();
    await until('caught up', () => log.condition.state === 'live' && log.head().offset === 20_005);
    const ms = performance.now() - back;
    assert.ok(ms <= 10_000 + usualMs, `caught up after ${Math.round(ms)} ms; 10 s are demanded`);
    assert.equal(log.condition.behind, 0);
    const last = await collect(log.read({ from: 20_005 }));
    assert.equal(last[0]?.event?.id, events.at(-1)?.id);
    await log.close();
  });
});

describe('F-kafka-loss', { skip, concurrency: false }, () => {
  test('R2: events that a running replica lags behind are deleted: LOG_GAP with the range, within the same contact', async () => {
    const topic = stand.newTopic();
    const log = await stand.open({ port: stand.proxy.port, topic });
    await log.append(sampleEvents(1, 5));
    await until('live', () => log.condition.state === 'live');
    const others = await stand.open({ topic });
    await others.settled();
    const admin = await stand.broker.admin();
    // Its next question is on its way while all this happens; the one before is answered by then.
    stand.proxy.slow({ delayMs: 4_000, bytesPerSecond: 1e9 });
    await pause(500);
    await others.append(sampleEvents(6, 15));
    // The client looks for the leader in metadata that only this call fetches.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '12' }] });
    stand.proxy.slow(undefined);
    assert.equal(log.head().offset, 5, 'it lags');
    await until('LOG_GAP', () => log.condition.state === 'broken');
    assert.equal(log.condition.code, 'LOG_GAP');
    assert.match(log.condition.message ?? '', /offsets 6 to 12 are missing/);
    assert.equal(log.counters.contact?.contacts, 1);
    assert.equal((await collect(log.read({ from: 1 }))).length, 5, 'what is here is served, nothing is skipped');
    await assert.rejects(log.append([sampleEvent(99)]), hasCode('LOG_GAP'));
    await log.close();
    await others.close();
  });
});

describe('tendril serve on Kafka', { skip, concurrency: false }, () => {
  const cart = (name: string, id: string): object => ({
    type: 'service.registered',
    id,
    source: 'test',
    data: { namespace: 'shop', name, ports: [{ port: 80, protocol: 'http' }] },
  });
  const post = async (
    api: string,
    event: object,
    query = '?wait=applied&timeout=60s',
  ): Promise<{ status: number; body: string }> => {
    const response = await fetch(`${api}/v1/events${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events: [event] }),
    });
    return { status: response.status, body: await response.text() };
  };
  const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;
  interface Health {
    readonly status: string;
    readonly parts: readonly { readonly name: string; readonly status: string; readonly code?: string }[];
  }
  const logPart = async (api: string) =>
    (await json<Health>(`${api}/healthz`)).parts.find(({ name }) => name === 'log');

  test('two replicas: each reads its own writes, both have all; away: ready and degraded, writes wait; a start from the mirror', async () => {
    const log = `kafka://127.0.0.1:${stand.proxy.port}/${stand.newTopic()}`;
    const [dataA, dataB] = [join(stand.folder(), 'a'), join(stand.folder(), 'b')];
    const a = await serve(['--log', log, '--data', dataA, '--workers', '0']);
    const b = await serve(['--log', log, '--data', dataB, '--workers', '0']);
    const refusing = ['--data', join(stand.folder(), 'c'), '--log-away', 'refuse'];
    const c = await serve(['--log', log, ...refusing, '--workers', '0']);
    assert.equal((await post(a.api, cart('cart', '1'))).status, 200);
    assert.equal((await post(b.api, cart('web', '2'))).status, 200);
    const names = async (api: string): Promise<string[]> =>
      (await json<{ services: { name: string }[] }>(`${api}/v1/services`)).services.map(({ name }) => name).sort();
    assert.ok((await names(b.api)).includes('web'), 'read your own write');
    const hashes = async (): Promise<readonly unknown[]> =>
      await Promise.all([a, b].map(({ api }) => json(`${api}/v1/state/hash`)));
    for (let tries = 0; ; tries++) {
      const [one, two] = await hashes();
      if (JSON.stringify(one) === JSON.stringify(two)) break;
      assert.ok(tries < 1_200, 'the replicas have the same state at the same offset');
      await pause(50);
    }
    assert.deepEqual(await names(a.api), ['cart', 'web']);
    const metrics = await (await fetch(`${a.api}/metrics`)).text();
    assert.match(metrics, /tendril_log_state\{state="live"\} 1/);

    await stand.proxy.down();
    for (const { api } of [a, c])
      for (let tries = 0; (await logPart(api))?.code !== 'LOG_AWAY'; tries++) {
        assert.ok(tries < 1_200, 'the health tells that Kafka is away');
        await pause(50);
      }
    assert.equal((await logPart(a.api))?.status, 'degraded');
    assert.equal((await fetch(`${a.api}/readyz`)).status, 200);
    const late = await post(a.api, cart('late', '3'), '?timeout=200ms');
    assert.deepEqual([late.status, JSON.parse(late.body).code], [503, 'LOG_AWAY'], late.body);
    assert.ok(JSON.parse(late.body).remedy.includes('same ids'), late.body);
    const refusal = await post(c.api, cart('refused', '4'), '?timeout=50s');
    assert.deepEqual([refusal.status, JSON.parse(refusal.body).code], [503, 'LOG_AWAY'], refusal.body);
    assert.match(refusal.body, /nothing can be written/, 'at once, not at the timeout');
    assert.equal((await b.stop()).code, 0);
    const again = await serve(['--log', log, '--data', dataB, '--workers', '0']);
    assert.deepEqual(await names(again.api), ['cart', 'web']);
    assert.equal((await fetch(`${again.api}/readyz`)).status, 200);
    assert.equal((await logPart(again.api))?.code, 'LOG_AWAY');

    await stand.proxy.up();
    for (let tries = 0; !(await names(again.api)).includes('late'); tries++) {
      assert.ok(tries < 1_200, 'what waited is written, and comes to the other replica');
      await pause(50);
    }
    const twice = await post(again.api, cart('late', '3'));
    assert.deepEqual([twice.status, JSON.parse(twice.body).events[0].status], [200, 'duplicate']);
    assert.ok(!(await names(a.api)).includes('refused'), 'what was refused is not written later');
    for (let tries = 0; (await post(c.api, cart('taken', '5'))).status !== 200; tries++) {
      assert.ok(tries < 1_200, 'it takes writes again');
      await pause(50);
    }
    for (const server of [again, a, c]) assert.equal((await server.stop()).code, 0);
  });
});
