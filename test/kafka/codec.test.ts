/** From Kafka's bytes to the records of the mirror, and back. Invariants K1 to K3 are those of src/log/kafka/topic-records.ts. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { APPEND_HEADER, messageOf, readyRecordOf } from '../../src/log/kafka/cloud-event.ts';
import { crc32c } from '../../src/log/kafka/crc32c.ts';
import { decodeFetched, type Fetched } from '../../src/log/kafka/fetch-response.ts';
import { decodeBatches, type KafkaRecord } from '../../src/log/kafka/record-batch.ts';
import { mirroredRun } from '../../src/log/kafka/topic-records.ts';
import { decodeRecord, encodeEvent, MAX_RECORD_BYTES, writeRecord } from '../../src/log/record-codec.ts';
import { type EventEnvelope, TendrilError } from '../../src/model/index.ts';
import { MESH, sampleEvent } from '../log/sample-events.ts';
import { batchBytes, fetchBytes, withChecksum } from './record-bytes.ts';

const recordsOf = (bytes: Buffer): readonly KafkaRecord[] => decodeBatches(bytes).flatMap(({ records }) => records);

const headersOf = (headers: Readonly<Record<string, string>>): KafkaRecord['headers'] =>
  Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)] as const);

const recordWith = (headers: Readonly<Record<string, string>>, value: string | null): KafkaRecord => ({
  offset: 0,
  timestamp: 1_000_000,
  key: null,
  value: value === null ? null : Buffer.from(value),
  headers: headersOf(headers),
});

const FOREIGN = {
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: '1',
  ce_type: 'service.registered',
  ce_source: '/registry',
};
const DATA = '{ "namespace": "shop", "name": "cart", "ports": [] }';

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
const someEvent: fc.Arbitrary<EventEnvelope> = fc
  .record({
    id: text,
    source: text,
    subject: text,
    time: text,
    data: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
    reason: fc.option(text, { nil: undefined }),
    expect: fc.option(fc.nat(), { nil: undefined }),
    batch: fc.option(fc.record({ id: text, index: fc.nat(), size: fc.nat() }), { nil: undefined }),
  })
  .map((some) => JSON.parse(JSON.stringify({ ...sampleEvent(1), ...some })) as EventEnvelope);

describe('CloudEvents in Kafka', () => {
  test('checksum: the check value of CRC-32C', () => assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283));

  test('binary mode, as the binding says: attributes in headers, data alone in the value', () => {
    const batch = { id: 'b', index: 0, size: 2 };
    const { key, value, headers } = messageOf({ ...sampleEvent(7), reason: 'why', expect: 3, batch }, 'token-1');
    assert.equal(key.toString(), 'endpoint/default/cart/i-7');
    assert.deepEqual(JSON.parse(value.toString()), sampleEvent(7).data);
    assert.deepEqual(headers, {
      [APPEND_HEADER]: 'token-1',
      ce_specversion: '1.0',
      ce_id: 'event-7',
      ce_type: 'endpoint.registered',
      ce_source: 'contract',
      ce_subject: 'endpoint/default/cart/i-7',
      ce_time: '2026-11-21T03:01:00.000Z',
      ce_mesh: MESH,
      ce_schemaversion: '1',
      ce_reason: 'why',
      ce_expect: '3',
      ce_batchid: 'b',
      ce_batchindex: '0',
      ce_batchsize: '2',
      'content-type': 'application/json',
    });
  });

  test('property: an event comes back with the bytes that a log on disk has for it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(someEvent, { minLength: 1, maxLength: 5 }), fc.boolean(), async (events, gzip) => {
        const messages = events.map((event) => messageOf(event, 'token'));
        const records = recordsOf(await batchBytes({ first: 5, messages, gzip, timestamp: 77 }));
        assert.deepEqual(
          records.map(({ offset, timestamp }) => [offset, timestamp]),
          events.map((_, index) => [5 + index, 77]),
        );
        for (const [index, record] of records.entries()) {
          const event = events[index] ?? assert.fail();
          const ready = readyRecordOf(record, MESH, 77);
          const expected = encodeEvent(event, MESH);
          assert.equal(ready.json, expected.json);
          const bytes = Buffer.alloc(ready.bytes);
          writeRecord(bytes, ready, 77);
          assert.deepEqual(decodeRecord(1, bytes).event, { ...event, offset: 1, recordedAt: 77 });
        }
      }),
      { numRuns: 150 },
    );
  });

  test('a text that UTF-8 cannot carry goes in structured mode, and comes back', async () => {
    const event = { ...sampleEvent(1), reason: 'half a pair: \ud800' };
    const message = messageOf(event);
    assert.equal(message.headers['content-type'], 'application/cloudevents+json');
    const [record] = recordsOf(await batchBytes({ first: 0, messages: [message] }));
    assert.equal(readyRecordOf(record ?? assert.fail(), MESH, 1).json, JSON.stringify(event));
  });

  test('a producer that knows only CloudEvents: mesh, version, subject and time are filled in', () => {
    const { event } = readyRecordOf(recordWith(FOREIGN, DATA), MESH, 5);
    assert.deepEqual(event, {
      id: '1',
      type: 'service.registered',
      subject: 'service/shop/cart',
      time: '1970-01-01T00:16:40.000Z',
      source: '/registry',
      schemaVersion: 1,
      mesh: MESH,
      data: { namespace: 'shop', name: 'cart', ports: [] },
    });
  });

  test('what is no event says why, and keeps what was there', () => {
    const without = (name: string): Record<string, string> =>
      Object.fromEntries(Object.entries(FOREIGN).filter(([key]) => key !== name));
    const deep = `${'['.repeat(200)}${']'.repeat(200)}`;
    const cases: readonly [KafkaRecord, RegExp][] = [
      [recordWith({}, DATA), /no CloudEvent/],
      [recordWith({ ...FOREIGN, 'content-type': 'text/plain' }, DATA), /content type is text\/plain/],
      [recordWith(FOREIGN, null), /no value/],
      [recordWith(FOREIGN, 'not JSON'), /not JSON/],
      [recordWith(FOREIGN, '{}, "mesh": "x"'), /not JSON/],
      [recordWith(FOREIGN, '[1]'), /not a JSON object/],
      [recordWith(FOREIGN, `{"a":${deep}}`), /nested deeper/],
      [recordWith(FOREIGN, `{"a":"${'x'.repeat(256 * 1024)}"}`), /are allowed/],
      // Bounds are bytes, not characters.
      [recordWith(FOREIGN, `{"a":"${'é'.repeat(140_000)}"}`), /its data has 280008 bytes/],
      [recordWith({ ...FOREIGN, ce_reason: 'é'.repeat(40_000) }, DATA), /its attributes have 80\d\d\d bytes/],
      [recordWith(without('ce_id'), DATA), /attribute id is missing/],
      [recordWith(without('ce_source'), DATA), /attribute source is missing/],
      [recordWith(without('ce_type'), DATA), /attribute type is missing/],
      [recordWith({ ...FOREIGN, ce_specversion: '0.3' }, DATA), /specversion 0.3/],
      [recordWith({ ...FOREIGN, ce_mesh: 'other' }, DATA), /belongs to mesh "other"/],
      [recordWith({ ...FOREIGN, ce_expect: '-1' }, DATA), /expect is not a whole number/],
      [recordWith({ ...FOREIGN, ce_batchid: 'b' }, DATA), /batchid, batchindex and batchsize/],
      [recordWith({ ...FOREIGN, ce_schemaversion: '99' }, DATA), /newer Tendril/],
      [recordWith({ ...FOREIGN, ce_reason: 'x'.repeat(70_000) }, DATA), /attributes have/],
      [recordWith({ 'content-type': 'application/cloudevents+json' }, '7'), /not a JSON object/],
      [{ ...recordWith(FOREIGN, DATA), headers: [...headersOf(FOREIGN), ['ce_id', Buffer.from('2')]] }, /given twice/],
    ];
    for (const [record, why] of cases) {
      const { event, unreadable = '', json, bytes } = readyRecordOf(record, MESH, 5);
      assert.equal(event, undefined, String(why));
      assert.match(unreadable, why);
      const stored = Buffer.alloc(bytes);
      writeRecord(stored, { json }, 5);
      const read = decodeRecord(1, stored);
      assert.equal(read.event, undefined);
      assert.match(read.unreadable ?? '', why, 'the same when it is read from disk');
    }
    const { json } = readyRecordOf(recordWith({ a: 'b' }, 'raw'), MESH, 5);
    assert.deepEqual(
      { ...JSON.parse(json), unreadable: '' },
      { unreadable: '', key: null, headers: [['a', 'Yg==']], value: 'cmF3' },
    );
    const large = readyRecordOf(recordWith({ a: 'b' }, 'x'.repeat(300_000)), MESH, 5);
    assert.ok(large.bytes < 1000, `${large.bytes} bytes: only hash and length are kept`);
  });

  test('each part within its bound, and the whole above: it is not taken, for it could not be read again', () => {
    const raw = (reason: number): KafkaRecord => {
      const around = '{"a":""}'.length;
      const data = `{"a":"${'x'.repeat(2 * 2 ** 20 - around)}"}`;
      return recordWith({ ...FOREIGN, ce_type: 'resource.put', ce_reason: 'x'.repeat(reason) }, data);
    };
    const fill = (bytes: number): number => {
      const { bytes: empty } = readyRecordOf(raw(1), MESH, 5);
      return 1 + bytes - empty;
    };
    const most = readyRecordOf(raw(fill(MAX_RECORD_BYTES)), MESH, 5);
    assert.deepEqual([most.bytes, most.unreadable], [MAX_RECORD_BYTES, undefined]);
    const stored = Buffer.alloc(most.bytes);
    writeRecord(stored, most, 5);
    assert.equal(decodeRecord(1, stored).unreadable, undefined);
    const above = readyRecordOf(raw(fill(MAX_RECORD_BYTES + 1)), MESH, 5);
    assert.match(above.unreadable ?? '', /it has 2162697 bytes, 2162696 are allowed/);
  });

  test('property: no record is too strange, and none grows without bound', () => {
    const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
    const names = fc.oneof(fc.constantFrom(...Object.keys(FOREIGN), 'ce_expect', 'ce_mesh', 'ce_subject'), fc.string());
    const header = fc.tuple(names, fc.option(bytes));
    const value = fc.option(
      fc.oneof(
        bytes,
        fc.json().map((json) => Buffer.from(json)),
      ),
    );
    const strange = fc.record({
      offset: fc.nat(),
      timestamp: fc.nat(),
      key: fc.option(bytes),
      value,
      headers: fc.oneof(
        fc.array(header, { maxLength: 8 }),
        fc.array(header, { maxLength: 3 }).map((more) => [...headersOf(FOREIGN), ...more]),
      ),
    });
    fc.assert(
      fc.property(strange, (record) => {
        const ready = readyRecordOf(record, MESH, 9);
        const stored = Buffer.alloc(ready.bytes);
        writeRecord(stored, ready, 9);
        const read = decodeRecord(3, stored);
        assert.equal(read.event === undefined, ready.event === undefined);
        assert.equal(read.unreadable, ready.unreadable);
        if (ready.event !== undefined) assert.deepEqual(read.event, { ...ready.event, offset: 3, recordedAt: 9 });
      }),
      { numRuns: 500 },
    );
  });
});

describe('fetch responses', () => {
  test('a batch that is cut is left out; one that is damaged is not taken', async () => {
    const [one, two] = await Promise.all([
      batchBytes({ first: 0, messages: [messageOf(sampleEvent(1))] }),
      batchBytes({ first: 1, messages: [messageOf(sampleEvent(2))] }),
    ]);
    const both = Buffer.concat([one, two]);
    for (let length = one.length; length < both.length; length += 7)
      assert.equal(decodeBatches(both.subarray(0, length)).length, 1);
    assert.equal(decodeBatches(both).length, 2);
    for (let at = 21; at < one.length; at += 5) {
      const damaged = Buffer.from(one);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 4, at);
      assert.throws(() => decodeBatches(damaged), /checksum/);
    }
  });

  test('property: bytes that are no response are an error, never a hang', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          decodeFetched(Buffer.from(bytes));
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** A stretch of a topic in which everything happens that may. */
const strangeTopic = async (): Promise<Buffer> => {
  const message = (n: number) => messageOf(sampleEvent(n));
  const damaged = await batchBytes({ first: 14, messages: [message(14), message(15)] });
  damaged.writeInt16BE(damaged.readInt16BE(21) | 1, 21);
  return Buffer.concat([
    await batchBytes({ first: 0, messages: [message(0), message(1)], timestamp: 100 }),
    // An aborted transaction around one that was committed, of two producers.
    await batchBytes({ first: 2, messages: [message(2)], transactional: true, producerId: 7 }),
    await batchBytes({ first: 3, messages: [message(3)], transactional: true, producerId: 8 }),
    await batchBytes({ first: 4, messages: [], control: 'abort', producerId: 7 }),
    await batchBytes({ first: 5, messages: [], control: 'commit', producerId: 8 }),
    await batchBytes({ first: 6, messages: [message(6)], transactional: true, producerId: 7, timestamp: 50 }),
    await batchBytes({ first: 7, messages: [], control: 'commit', producerId: 7 }),
    // Holes: inside a batch, at its end, between batches.
    await batchBytes({ first: 8, messages: [message(8), message(10)], deltas: [0, 2], lastDelta: 3 }),
    await batchBytes({ first: 13, messages: [message(13)] }),
    // Says gzip, and is not.
    withChecksum(damaged),
    await batchBytes({ first: 16, messages: [message(16)] }),
  ]);
};
const ABORTED: readonly (readonly [number, number])[] = [[7, 2]];
const ABORT_MARK = 4;
const END = 17;

describe('from a topic to the mirror', () => {
  test('K1: every offset has its record; what is no event says why', async () => {
    const fetched = decodeFetched(fetchBytes(await strangeTopic(), { high: END, aborted: ABORTED }));
    const { records } = mirroredRun(fetched, { from: 0, recordedAt: 0, mesh: MESH });
    const said = records.map(({ event, unreadable = '' }) => event?.id ?? unreadable.replace(/^.*event: /, ''));
    const none = 'no record at this offset (removed by compaction, or never written)';
    assert.deepEqual(said, [
      ...['event-0', 'event-1', 'its transaction was aborted', 'event-3'],
      ...['the mark of a transaction', 'the mark of a transaction', 'event-6', 'the mark of a transaction'],
      ...['event-8', none, 'event-10', none, none, 'event-13'],
      ...['its batch cannot be decoded', 'its batch cannot be decoded', 'event-16'],
    ]);
    const times = records.map(({ recordedAt }) => recordedAt);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
      'K3',
    );
  });

  test('K2: the same records wherever a fetch begins', async () => {
    const fetched = decodeFetched(fetchBytes(await strangeTopic(), { high: END, aborted: ABORTED }));
    const whole = mirroredRun(fetched, { from: 0, recordedAt: 0, mesh: MESH }).records;
    assert.equal(whole.length, END);
    for (let from = 1; from < END; from++) {
      const recordedAt = whole[from - 1]?.recordedAt ?? 0;
      // The broker gives whole batches: the one with the wanted offset first.
      const batches = fetched.batches.filter(({ lastOffset }) => lastOffset >= from);
      // And it lists the transactions whose mark lies at or behind that offset.
      const aborted = from > ABORT_MARK ? [] : fetched.aborted;
      const { records } = mirroredRun({ batches, aborted }, { from, recordedAt, mesh: MESH });
      assert.deepEqual(records, whole.slice(from), `from ${from}`);
    }
  });

  test('K4: a batch in a compression that is not known is not skipped: what is before it is mirrored, then it is an error', async () => {
    for (const [codec, name] of [
      [2, 'snappy'],
      [3, 'lz4'],
      [4, 'zstd'],
      [5, 'codec 5'],
    ] as const) {
      const [before, packed, after] = [
        await batchBytes({ first: 0, messages: [messageOf(sampleEvent(0))] }),
        await batchBytes({ first: 1, messages: [messageOf(sampleEvent(1))], transactional: true, producerId: 7 }),
        await batchBytes({ first: 2, messages: [messageOf(sampleEvent(2))] }),
      ];
      packed.writeInt16BE(packed.readInt16BE(21) | codec, 21);
      const { batches } = decodeFetched(fetchBytes(Buffer.concat([before, withChecksum(packed), after]), { high: 3 }));
      const run = (from: number, aborted: Fetched['aborted'] = []) =>
        mirroredRun({ batches, aborted }, { from, recordedAt: 0, mesh: MESH }).records;
      assert.deepEqual(
        run(0).map(({ event }) => event?.id),
        ['event-0'],
      );
      assert.throws(
        () => run(1),
        (error) => {
          assert.ok(error instanceof TendrilError);
          assert.equal(error.code, 'KAFKA_TOPIC_UNFIT');
          assert.ok(error.message.includes(`offset 2 is compressed with ${name}`), error.message);
          assert.ok(error.remedy?.includes('compression.type=uncompressed'), error.remedy);
          return true;
        },
      );
      assert.equal(run(2)[0]?.event?.id, 'event-2');
      assert.equal(
        run(0, [{ producerId: 7, firstOffset: 1 }]).length,
        3,
        'of an aborted transaction nothing is needed',
      );
    }
  });

  test('a hole of any size is explained run by run', async () => {
    const bytes = Buffer.concat([
      await batchBytes({ first: 0, messages: [messageOf(sampleEvent(1))] }),
      await batchBytes({ first: 25_000, messages: [messageOf(sampleEvent(2))] }),
    ]);
    const { batches } = decodeFetched(fetchBytes(bytes));
    let from = 0;
    for (let runs = 0; from <= 25_000; runs++) {
      const { records } = mirroredRun({ batches, aborted: [] }, { from, recordedAt: 0, mesh: MESH });
      assert.ok(records.length > 0 && runs < 4);
      from += records.length;
    }
    assert.equal(from, 25_001);
  });

  test('the tokens of appends are found, and are not part of the records', async () => {
    const messages = [messageOf(sampleEvent(1), 'a'), messageOf(sampleEvent(2)), messageOf(sampleEvent(3), 'b')];
    const { batches } = decodeFetched(fetchBytes(await batchBytes({ first: 4, messages })));
    const run = mirroredRun({ batches, aborted: [] }, { from: 4, recordedAt: 0, mesh: MESH });
    assert.deepEqual(run.appends, [
      { token: 'a', index: 0 },
      { token: 'b', index: 2 },
    ]);
    assert.equal(run.records[0]?.json, JSON.stringify(sampleEvent(1)));
  });
});
