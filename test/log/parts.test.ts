/** The pure parts of the log: upcasting, hash chain, recent records, record bytes. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  CHAIN_BYTES,
  chainStart,
  type LogRecord,
  nextChain,
  type Upcaster,
  type UpcastRegistry,
  upcast,
} from '../../src/log/index.ts';
import { RecentRecords } from '../../src/log/recent-records.ts';
import { decodeRecord, encodeEvent, recordedAtOf, recordOf, writeRecord } from '../../src/log/record-codec.ts';
import { MESH, sampleEvent } from './sample-events.ts';

describe('upcast', () => {
  const registry: UpcastRegistry = {
    current: 3,
    upcasters: new Map<string, ReadonlyMap<number, Upcaster>>([
      [
        'endpoint.registered',
        new Map<number, Upcaster>([
          [1, (data: unknown) => ({ ...(data as object), two: true })],
          [2, (data: unknown) => ({ ...(data as object), three: true })],
        ]),
      ],
      ['service.registered', new Map<number, Upcaster>([[2, () => assert.fail('cannot be raised')]])],
    ]),
  };
  const written = (version: unknown, type = 'endpoint.registered') => ({
    ...sampleEvent(1),
    type,
    data: { a: 1 },
    schemaVersion: version,
  });

  test('raises an event version by version; one of the current version is left as it is', () => {
    assert.deepEqual(upcast(written(1), registry).event, { ...written(3), data: { a: 1, two: true, three: true } });
    assert.deepEqual(upcast(written(2), registry).event, { ...written(3), data: { a: 1, three: true } });
    const current = written(3);
    assert.equal(upcast(current, registry).event, current);
  });

  test('a type that did not change needs no upcaster', () => {
    assert.deepEqual(upcast(written(1, 'mesh.configured'), registry).event, written(3, 'mesh.configured'));
  });

  test('what cannot be read is a value: newer versions, upcasters that throw, envelopes that are none', () => {
    assert.match(upcast(written(4), registry).unreadable ?? '', /newer Tendril/);
    assert.match(upcast(written(2, 'service.registered'), registry).unreadable ?? '', /cannot be raised to 3/);
    for (const version of [0, 1.5, '1', undefined])
      assert.match(upcast(written(version), registry).unreadable ?? '', /schemaVersion/);
    assert.match(upcast({ ...written(1), source: 5 }).unreadable ?? '', /source/);
    assert.match(upcast({ ...written(1), data: null }).unreadable ?? '', /data/);
    for (const nothing of [null, 5, 'text', []]) assert.notEqual(upcast(nothing).unreadable, undefined);
  });

  test('property: never throws', () => {
    fc.assert(fc.property(fc.anything(), (anything) => void upcast(anything, registry)));
  });
});

describe('hash chain', () => {
  test('is SHA-256 of the chain before and the bytes, from 32 zero bytes', () => {
    const plain = (previous: Uint8Array, bytes: Uint8Array): Buffer =>
      createHash('sha256').update(previous).update(bytes).digest();
    assert.deepEqual(chainStart(), Buffer.alloc(CHAIN_BYTES));
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 8 }), (records) => {
        const ours = records.reduce<Uint8Array>((chain, bytes) => nextChain(chain, bytes), chainStart());
        assert.deepEqual(
          Buffer.from(ours),
          Buffer.from(records.reduce<Uint8Array>((chain, bytes) => plain(chain, bytes), new Uint8Array(32))),
        );
      }),
    );
  });

  test('tells apart logs that differ in one byte, in order, or in where a record ends', () => {
    const chain = (...records: string[]): string =>
      records.reduce<Uint8Array>((previous, text) => nextChain(previous, Buffer.from(text)), chainStart()).toString();
    const chains = [chain('a', 'b'), chain('b', 'a'), chain('ab'), chain('a', 'c'), chain('a'), chain()];
    assert.equal(new Set(chains).size, chains.length);
  });
});

describe('recent records', () => {
  const record = (offset: number, size = 10): LogRecord => ({
    offset,
    recordedAt: 0,
    event: undefined,
    bytes: new Uint8Array(size),
  });
  const offsets = (records: readonly LogRecord[] | undefined): number[] | undefined =>
    records?.map(({ offset }) => offset);

  test('property: holds a contiguous end of what was pushed, within its bounds', () => {
    const step = fc.oneof(
      fc.record({ push: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }) }),
      fc.record({ drop: fc.integer({ min: 0, max: 60 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const recent = new RecentRecords({ maxRecords: 20, maxBytes: 300 });
        let model: LogRecord[] = [];
        let next = 1;
        for (const now of steps) {
          if ('push' in now) {
            const added = now.push.map((size) => record(next++, size));
            recent.push(added);
            model = [...model, ...added].slice(-20);
            while (model.reduce((sum, { bytes }) => sum + bytes.length, 0) > 300) model = model.slice(1);
          } else {
            recent.dropBefore(now.drop);
            model = model.filter(({ offset }) => offset >= now.drop);
          }
          assert.equal(recent.size, model.length);
          for (const from of [0, model[0]?.offset ?? next, next - 1, next]) {
            const held = model.some(({ offset }) => offset === from);
            const expected = held ? model.filter(({ offset }) => offset >= from).slice(0, 3) : undefined;
            assert.deepEqual(offsets(recent.take(from, 3)), offsets(expected));
          }
        }
      }),
    );
  });
});

describe('record bytes', () => {
  test('property: what is written is read back, and equals what followers are handed', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(text, text, fc.integer({ min: 0, max: 2 ** 48 }), fc.nat(), (padding, reason, recordedAt, offset) => {
        const encoded = encodeEvent({ ...sampleEvent(1, padding), reason }, MESH);
        const bytes = Buffer.alloc(encoded.bytes);
        writeRecord(bytes, encoded, recordedAt);
        assert.equal(recordedAtOf(bytes), recordedAt);
        const read = decodeRecord(offset, bytes);
        assert.deepEqual(read.event, { ...sampleEvent(1, padding), reason, offset, recordedAt });
        assert.deepEqual(read, recordOf(encoded, offset, recordedAt, bytes));
      }),
    );
  });

  test('the format does not change: an event written by version 1', () => {
    const encoded = encodeEvent(sampleEvent(1), MESH);
    const bytes = Buffer.alloc(encoded.bytes);
    writeRecord(bytes, encoded, 1_795_230_060_000);
    assert.equal(bytes.toString('hex', 0, 8), '000001a1fc0ccde0');
    assert.equal(
      bytes.toString('utf8', 8),
      '{"id":"event-1","type":"endpoint.registered","subject":"endpoint/default/cart/i-1","time":"2026-11-21T03:01:00.000Z","source":"contract","schemaVersion":1,"mesh":"contract","data":{"namespace":"default","service":"cart","id":"i-1","address":"10.0.0.1","labels":{"padding":""}}}',
    );
  });

  test('property: any bytes can be decoded without an error', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void decodeRecord(1, Buffer.from(bytes))));
  });
});
