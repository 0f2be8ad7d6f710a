import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { frame, isIntact, type TableKey } from '../../src/store/checked-record.ts';
import { crc32, crc32ByTable } from '../../src/store/crc32.ts';
import { unseal } from '../../src/store/unseal.ts';
import { hasCode } from './support.ts';

const bytes = fc.uint8Array({ maxLength: 400 });
const key: fc.Arbitrary<TableKey> = fc.oneof(
  fc.nat(),
  fc.string({ minLength: 1 }),
  fc.tuple(fc.string({ minLength: 1 }), fc.nat()),
);

describe('checked record', () => {
  test('what was framed comes back', () => {
    fc.assert(
      fc.property(key, bytes, (at, body) => {
        assert.deepEqual([...unseal(frame(at, body), at, 't', 'e')], [...body]);
      }),
    );
  });

  test('every flipped bit is found', () => {
    fc.assert(
      fc.property(key, bytes, fc.nat(), (at, body, place) => {
        const framed = frame(at, body);
        const bit = place % (framed.length * 8);
        framed[bit >> 3] = (framed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(isIntact(at, framed), false);
      }),
    );
  });

  test('a record under another key is found', () => {
    const framed = frame(7, Buffer.from('body'));
    assert.equal(isIntact(8, framed), false);
    assert.equal(isIntact('7', framed), false);
    assert.equal(isIntact(['a', 2], frame(['a', 1], Buffer.from('body'))), false);
  });

  test('the error names environment, table and key; a record that is too short is one', () => {
    assert.throws(
      () => unseal(Buffer.alloc(3), ['a', 5], 'events', '/data/log'),
      hasCode('CORRUPT_RECORD', '/data/log', 'events', 'a/5'),
    );
  });
});

describe('crc32', () => {
  test('the table and zlib agree, also when a checksum is continued', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.string(), (a, b, text) => {
        assert.equal(crc32ByTable(a), crc32(a));
        assert.equal(crc32ByTable(text), crc32(text));
        assert.equal(crc32ByTable(b, crc32ByTable(a)), crc32(Buffer.concat([a, b])));
      }),
    );
  });

  test('gives the check value of the standard', () => {
    assert.equal(crc32('123456789'), 0xcbf43926);
    assert.equal(crc32ByTable('123456789'), 0xcbf43926);
  });
});
