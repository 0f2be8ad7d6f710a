/** Packs of the history index. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findRows, RowCollector } from '../../src/projector/history-rows.ts';

const packed = (rows: readonly (readonly [hash: number, offset: number])[], places?: number): Uint8Array => {
  const collector = new RowCollector();
  for (const [hash, offset] of rows) collector.add(hash, offset, 5);
  return collector.pack(places);
};

test('a pack of more rows than fit one sort is sorted alike', () => {
  const hash = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 7, 0x1_0000, 2 ** 32 - 1));
  fc.assert(
    fc.property(fc.array(hash, { minLength: 1, maxLength: 60 }), (hashes) => {
      const rows = hashes.map((value, place) => [value, 2 ** 33 + place] as const);
      const pack = packed(rows, 3);
      assert.deepEqual(pack, packed(rows));
      for (const value of hashes)
        assert.deepEqual(
          findRows(pack, value),
          rows.filter(([other]) => other === value).map(([, offset]) => ({ offset, kind: 5 })),
        );
    }),
  );
});

test('beyond 2,097,152 rows every row is found', () => {
  const count = 2 ** 21 + 5;
  const collector = new RowCollector();
  for (let row = 0; row < count; row++) collector.add(Math.imul(row, 0x9e3779b1) >>> 0, 9, 0);
  const pack = collector.pack();
  for (const row of [0, 1, 2 ** 20, 2 ** 21 - 1, 2 ** 21, count - 1])
    assert.deepEqual(findRows(pack, Math.imul(row, 0x9e3779b1) >>> 0), [{ offset: 9, kind: 0 }], `row ${row}`);
});
