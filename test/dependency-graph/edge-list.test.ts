/** Edges in columns are what they were as objects; numbers are the invariants of edge-list.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EdgeList, type EdgeRecord, TextPool } from '../../src/dependency-graph/index.ts';

const texts = fc.uniqueArray(fc.constantFrom('ann', 'bob', 'eve'), { minLength: 1 }).map((list) => list.sort());

const record = fc
  .record(
    {
      to: fc.constantFrom('a.shop', 'a.shop:80', 'b.shop:80', 'c.shop:1', 'c.shop:65535'),
      declaredBy: fc.oneof(fc.constant([]), texts),
      pinnedBy: texts,
      deniedBy: texts,
      expired: fc.constant(true as const),
      evidence: fc.constantFrom<EdgeRecord['evidence']>([], ['observed'], ['subscribed'], ['observed', 'subscribed']),
      witnesses: fc.uniqueArray(fc.constantFrom('sidecar:1', 'sidecar:2', 'sidecar:3'), { maxLength: 2 }),
      firstOffset: fc.integer({ min: 1, max: 2 ** 40 }),
      lastOffset: fc.integer({ min: 1, max: 2 ** 40 }),
      firstSeen: fc.integer({ min: 0, max: 2 ** 45 }),
      lastSeen: fc.integer({ min: 0, max: 2 ** 45 }),
      usedAt: fc.integer({ min: 0, max: 2 ** 45 }),
      returned: fc.integer({ min: 1, max: 3 }),
    },
    {
      requiredKeys: [
        ...(['to', 'declaredBy', 'evidence', 'witnesses', 'firstOffset', 'lastOffset', 'firstSeen'] as const),
        'lastSeen',
      ],
    },
  )
  .map(
    (fields): EdgeRecord => ({
      ...fields,
      from: 'web.shop',
      pinned: fields.pinnedBy !== undefined,
      denied: fields.deniedBy !== undefined,
    }),
  );

const op = fc.record({ edge: record, gone: fc.boolean() });

test('1, 2: after any changes the list has exactly the records that were put, ascending, and older lists have theirs', () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 30 }), (ops) => {
      const pool = new TextPool(4);
      let list = EdgeList.EMPTY;
      let plain = new Map<string, EdgeRecord>();
      const before: [EdgeList, Map<string, EdgeRecord>][] = [];
      for (const { edge, gone } of ops) {
        before.push([list, plain]);
        plain = new Map(plain);
        if (gone) plain.delete(edge.to);
        else plain.set(edge.to, edge);
        list = list.with(edge.to, gone ? undefined : edge, pool);
      }
      for (const [some, expected] of [...before, [list, plain] as const]) {
        const inOrder = [...expected.values()].sort((a, b) => (a.to < b.to ? -1 : 1));
        assert.deepEqual([...some], inOrder);
        assert.equal(some.size, inOrder.length);
        assert.deepEqual([...EdgeList.of(inOrder, pool)], inOrder);
        for (const edge of inOrder) assert.deepEqual(some.find(edge.to), edge);
        assert.equal(some.find('z.shop'), undefined);
      }
    }),
  );
});

test('edges that are replaced together are as if each had been put', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 12 }), fc.array(record, { maxLength: 12 }), (first, second) => {
      const pool = new TextPool(100);
      let list = EdgeList.EMPTY;
      for (const edge of first) list = list.with(edge.to, edge, pool);
      let expected = list;
      for (const edge of second) if (list.find(edge.to) !== undefined) expected = expected.with(edge.to, edge, pool);
      assert.deepEqual([...list.replaced(second, pool)], [...expected]);
    }),
  );
});
