/** A broker that hangs, dies, is away, or whose answers are lost (F-kafka-down). Invariants P1 to P4 are those of src/log/kafka/appender.ts. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type KafkaSettings, type LogLimits, type OpenedLog, openEventLog } from '../../src/log/index.ts';
import { cleanUp, serve } from '../cli/support/tendril.ts';
import { collect, hasCode, MESH, sampleEvent, sampleEvents } from '../contracts/event-log.ts';
import { randomFrom } from '../projector/mesh-events.ts';
import { type CuttingProxy, cuttingProxy } from '../support/cutting-proxy.ts';
import { type Broker, startKafka } from '../support/kafka.ts';
import { requirePart } from '../support/parts.ts';

const skip = requirePart('kafka');
const folders: string[] = [];
const logs: OpenedLog[] = [];
let proxy: CuttingProxy;
let broker: Broker;
let topics = 0;

before(async () => {
  if (skip !== false) return;
  proxy = await cuttingProxy(() => broker.proxiedPort);
  broker = await startKafka({ proxy: proxy.port });
});
after(async () => {
  cleanUp();
  for (const log of logs) await log.close();
  if (skip === false) {
    await broker.end();
    proxy.close();
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'tendril-failures-'));
  folders.push(made);
  return made;
};
const newTopic = (): string => `failing-${++topics}`;

interface Opening {
  readonly topic?: string;
  readonly dir?: string;
  readonly port?: number;
  readonly limits?: Partial<LogLimits>;
  readonly kafka?: KafkaSettings;
}

const open = async ({ topic = newTopic(), dir = folder(), port = broker.port, ...more }: Opening = {}) => {
  const kind = `kafka://127.0.0.1:${port}/${topic}`;
  const log = await openEventLog({ kind, dir, mesh: MESH, clock: { now: Date.now }, ...more });
  logs.push(log);
  return log;
};

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 1200, `not within 60 s: ${what}`);
    await pause(50);
  }
};

interface Writing {
  /** Ends the writing; resolves when all appends are settled, with their offsets by id. */
  stop(): Promise<ReadonlyMap<string, number>>;
  count(): number;
}

/** Appends of one to three events, a few at a time, until it is told to stop. */
const keepWriting = (log: OpenedLog): Writing => {
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

/** P1: every acknowledged event is in the topic, and its offset is that of its first copy. */
const checkAcknowledged = async (log: OpenedLog, acknowledged: ReadonlyMap<string, number>): Promise<number> => {
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

describe('F-kafka-down', { skip, concurrency: false }, () => {
  test('P1, P2, P3: answers or requests are lost at any moment: nothing acknowledged is lost, first offsets are answered', async () => {
    const seed = Number(process.env.TENDRIL_KAFKA_SEED ?? 11);
    const rounds = Number(process.env.TENDRIL_KAFKA_ROUNDS ?? 12);
    const random = randomFrom(seed);
    const [topic, dir] = [newTopic(), folder()];
    const log = await open({ port: proxy.port, topic, dir });
    const writing = keepWriting(log);
    for (let round = 0; round < rounds; round++) {
      const before = writing.count();
      await until(`seed ${seed}, round ${round}: an append`, () => writing.count() > before + 5);
      await proxy.lose(random() < 0.5 ? 'answers' : 'requests', Math.floor(random() * 60));
    }
    const acknowledged = await writing.stop();
    await checkAcknowledged(log, acknowledged);
    const { contact } = log.counters;
    assert.ok((contact?.produceFailures ?? 0) > 0, `seed ${seed}: no request was in doubt`);
    await log.close();
    const again = await open({ topic, dir: folder() });
    await again.settled();
    await checkAcknowledged(again, acknowledged);
    await again.close();
  });

  test('P1: kill -9 of the broker, and one that stands still: appends wait, and are there afterwards', async () => {
    const log = await open();
    const writing = keepWriting(log);
    await until('some appends', () => writing.count() > 50);
    await broker.kill();
    await until('away', () => log.condition.state === 'away');
    assert.equal(log.condition.code, 'LOG_AWAY');
    const atKill = writing.count();
    await broker.start();
    await until('appends go on', () => writing.count() > atKill + 50);
    broker.signal('SIGSTOP');
    await pause(1500);
    const standing = writing.count();
    broker.signal('SIGCONT');
    await until('appends go on', () => writing.count() > standing + 50);
    await checkAcknowledged(log, await writing.stop());
    await log.close();
  });

  test('P4: away: what is here is served; appends wait within the bound, or are refused as asked; back: they are written', async () => {
    const [topic, refusing, dir] = [newTopic(), newTopic(), folder()];
    const bytes = Buffer.byteLength(JSON.stringify(sampleEvent(1))) + 8;
    const waiting = await open({ port: proxy.port, topic, dir, limits: { maxWaitingBytes: 3 * bytes + 3 } });
    const refuses = await open({ port: proxy.port, topic: refusing, kafka: { whenAway: 'refuse' } });
    await waiting.append(sampleEvents(1, 2));
    await proxy.down();
    for (const log of [waiting, refuses]) await until('away', () => log.condition.state === 'away');
    assert.equal((await collect(waiting.read({ from: 1 }))).length, 2);
    const appends = [3, 4, 5].map((n) => waiting.append([sampleEvent(n)]));
    await assert.rejects(waiting.append([sampleEvent(6)]), hasCode('LOG_BACKPRESSURE'));
    await assert.rejects(refuses.append([sampleEvent(1)]), hasCode('LOG_AWAY'));
    assert.equal(waiting.waitingBytes, 3 * bytes);
    const refused = assert.rejects(open({ port: proxy.port, topic }), hasCode('LOG_AWAY'));
    await refused;
    await proxy.up();
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
    const [topic, dir] = [newTopic(), folder()];
    const log = await open({ port: proxy.port, topic, dir });
    await log.append([sampleEvent(1)]);
    await proxy.down();
    await until('away', () => log.condition.state === 'away');
    const waits = assert.rejects(log.append([sampleEvent(2)]), hasCode('LOG_CLOSED'));
    await log.close();
    await waits;
    const offline = await open({ port: proxy.port, topic, dir });
    assert.equal(offline.condition.state, 'away');
    assert.equal(offline.head().offset, 1, 'it starts from its mirror');
    await proxy.up();
    await until('live', () => offline.condition.state === 'live');
    assert.deepEqual((await offline.append([sampleEvent(3)])).offsets, [2]);
    await offline.close();
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
    query = '?wait=applied',
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
    const log = `kafka://127.0.0.1:${proxy.port}/${newTopic()}`;
    const [dataA, dataB] = [join(folder(), 'a'), join(folder(), 'b')];
    const a = await serve(['--log', log, '--data', dataA, '--workers', '0']);
    const b = await serve(['--log', log, '--data', dataB, '--workers', '0']);
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
      assert.ok(tries < 200, 'the replicas have the same state at the same offset');
      await pause(50);
    }
    assert.deepEqual(await names(a.api), ['cart', 'web']);
    const metrics = await (await fetch(`${a.api}/metrics`)).text();
    assert.match(metrics, /tendril_log_state\{state="live"\} 1/);

    await proxy.down();
    for (let tries = 0; (await logPart(a.api))?.code !== 'LOG_AWAY'; tries++) {
      assert.ok(tries < 200, 'the health tells that Kafka is away');
      await pause(50);
    }
    assert.equal((await logPart(a.api))?.status, 'degraded');
    assert.equal((await fetch(`${a.api}/readyz`)).status, 200);
    const late = await post(a.api, cart('late', '3'), '?timeout=200ms');
    assert.deepEqual([late.status, JSON.parse(late.body).code], [503, 'LOG_AWAY'], late.body);
    assert.ok(JSON.parse(late.body).remedy.includes('same ids'), late.body);
    assert.equal((await b.stop()).code, 0);
    const again = await serve(['--log', log, '--data', dataB, '--workers', '0']);
    assert.deepEqual(await names(again.api), ['cart', 'web']);
    assert.equal((await fetch(`${again.api}/readyz`)).status, 200);
    assert.equal((await logPart(again.api))?.code, 'LOG_AWAY');

    await proxy.up();
    for (let tries = 0; !(await names(again.api)).includes('late'); tries++) {
      assert.ok(tries < 400, 'what waited is written, and comes to the other replica');
      await pause(50);
    }
    const twice = await post(again.api, cart('late', '3'));
    assert.deepEqual([twice.status, JSON.parse(twice.body).events[0].status], [200, 'duplicate']);
    assert.equal((await again.stop()).code, 0);
    assert.equal((await a.stop()).code, 0);
  });
});
