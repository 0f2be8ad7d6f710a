/** Multimap: as a Map of Sets, whatever the number of values. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Multimap } from '../../src/delta-xds/multimap.ts';

const values = Array.from({ length: 20 }, (_, at) => ({ at }));
const op = fc.record({
  put: fc.boolean(),
  key: fc.constantFrom('a', 'b'),
  value: fc.constantFrom(...values),
});

test('any puts and takes leave what a Map of Sets would have', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 200 }), (ops) => {
      const map = new Multimap<{ readonly at: number }>();
      const plain = new Map<string, Set<{ readonly at: number }>>([
        ['a', new Set()],
        ['b', new Set()],
      ]);
      for (const { put, key, value } of ops) {
        if (put) map.put(key, value);
        else map.take(key, value);
        if (put) plain.get(key)?.add(value);
        else plain.get(key)?.delete(value);
        for (const [name, expected] of plain) {
          const found = [...map.of(name)];
          assert.equal(found.length, expected.size);
          assert.deepEqual(new Set(found), expected);
        }
      }
    }),
  );
});
