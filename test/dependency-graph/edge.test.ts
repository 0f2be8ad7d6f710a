/** Life of one edge; numbers are the invariants of edge.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EdgeRecord, evolveEdge, isLearned } from '../../src/dependency-graph/index.ts';
import type { EventType, RecordedEvent } from '../../src/model/index.ts';

const edge = { from: 'web.default', to: 'cart.default:80' };

const event = (type: EventType, offset: number, source = 'ann', more: object = {}): RecordedEvent =>
  ({ type, offset, recordedAt: offset * 1000, source, data: { ...edge, ...more } }) as unknown as RecordedEvent;

const after = (...events: readonly RecordedEvent[]): EdgeRecord | undefined =>
  events.reduce<EdgeRecord | undefined>((known, next) => evolveEdge(known, next), undefined);

test('given nothing, when an edge is declared, then it is there with its first and last word', () => {
  assert.deepEqual(after(event('dependency.declared', 3)), {
    ...edge,
    declaredBy: ['ann'],
    pinned: false,
    denied: false,
    evidence: [],
    witnesses: [],
    firstOffset: 3,
    lastOffset: 3,
    firstSeen: 3000,
    lastSeen: 3000,
  });
});

test('given nothing, when it is withdrawn, renewed or expires, then nothing is there', () => {
  for (const type of ['dependency.withdrawn', 'dependency.renewed', 'dependency.expired'] as const) {
    assert.equal(after(event(type, 1)), undefined);
  }
});

test('lists are sorted and without repeats (1), at most two witnesses (4)', () => {
  const observed = (offset: number, source: string, evidence: string) =>
    event('dependency.observed', offset, source, { evidence });
  const record = after(
    observed(1, 'sidecar:2', 'subscribed'),
    observed(2, 'sidecar:1', 'observed'),
    observed(3, 'sidecar:0', 'observed'),
    event('dependency.declared', 4, 'bob'),
    event('dependency.declared', 5, 'ann'),
    event('dependency.declared', 6, 'bob'),
  );
  assert.deepEqual(record?.witnesses, ['sidecar:1', 'sidecar:2']);
  assert.deepEqual(record?.evidence, ['observed', 'subscribed']);
  assert.deepEqual(record?.declaredBy, ['ann', 'bob']);
  assert.deepEqual([record?.firstOffset, record?.lastOffset], [1, 6]);
});

test('a source takes back only its own words (2), its last word counts (3), the last one ends the edge (5)', () => {
  const record = after(
    event('dependency.declared', 1, 'ann'),
    event('dependency.pinned', 2, 'ann'),
    event('dependency.pinned', 3, 'bob'),
    event('dependency.denied', 4, 'ann'),
  );
  assert.deepEqual(
    [record?.pinnedBy, record?.deniedBy, record?.pinned, record?.denied],
    [['bob'], ['ann'], true, true],
  );
  const less = evolveEdge(record, event('dependency.withdrawn', 5, 'ann'));
  assert.deepEqual([less?.pinnedBy, less?.deniedBy, less?.declaredBy], [['bob'], undefined, []]);
  assert.equal(evolveEdge(less, event('dependency.withdrawn', 6, 'bob')), undefined);
});

test('expiry ends evidence, use brings it back (6)', () => {
  const learned = after(event('dependency.observed', 1, 'sidecar:1', { evidence: 'subscribed' }));
  const expired = evolveEdge(learned, event('dependency.expired', 2));
  assert.ok(learned !== undefined && isLearned(learned));
  assert.ok(expired !== undefined && !isLearned(expired) && expired.expired === true);
  for (const [type, more] of [
    ['dependency.renewed', {}],
    ['dependency.observed', { evidence: 'observed' }],
  ] as const) {
    const back = evolveEdge(expired, event(type, 3, 'sidecar:1', more));
    assert.ok(back !== undefined && isLearned(back) && !('expired' in back));
  }
  const declared = after(event('dependency.declared', 1), event('dependency.expired', 2));
  assert.equal(declared?.expired, undefined);
});

test('other events leave the edge as it is', () => {
  const record = after(event('dependency.declared', 1));
  assert.equal(evolveEdge(record, event('service.registered', 2)), record);
});

test('old records are never changed; flags agree with their sources', () => {
  const types = ['declared', 'withdrawn', 'pinned', 'denied', 'observed', 'renewed', 'expired'] as const;
  const word = fc.record({ type: fc.constantFrom(...types), source: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      let record: EdgeRecord | undefined;
      for (const [index, { type, source }] of words.entries()) {
        const before = structuredClone(record);
        const next = evolveEdge(record, event(`dependency.${type}`, index + 1, source, { evidence: 'observed' }));
        assert.deepEqual(record, before);
        if (next !== undefined) {
          assert.equal(next.pinned, (next.pinnedBy ?? []).length > 0);
          assert.equal(next.denied, (next.deniedBy ?? []).length > 0);
          const both = (next.pinnedBy ?? []).filter((by) => next.deniedBy?.includes(by));
          assert.deepEqual(both, []);
          assert.ok(next.declaredBy.length > 0 || next.pinned || next.denied || next.evidence.length > 0);
        }
        record = next;
      }
    }),
  );
});

test('new evidence and renewals are use (7), and bring an expired edge back, which is counted up to three (6)', () => {
  const use = (offset: number) => event('dependency.observed', offset, 'sidecar:1', { evidence: 'observed' });
  assert.equal(after(use(1))?.usedAt, 1000);
  assert.equal(after(use(1), event('dependency.declared', 2), event('dependency.pinned', 3))?.usedAt, 1000);
  assert.equal(after(event('dependency.declared', 2))?.usedAt, undefined);
  assert.equal(after(use(1), event('dependency.renewed', 5))?.usedAt, 5000);
  const back = after(use(1), event('dependency.expired', 2), event('dependency.renewed', 3));
  assert.deepEqual([back?.expired, back?.returned, back?.usedAt], [undefined, 1, 3000]);
  const rounds = Array.from({ length: 5 }, (_, n) => [event('dependency.expired', 2 * n + 2), use(2 * n + 3)]).flat();
  assert.equal(after(use(1), ...rounds)?.returned, 3);
  assert.equal(after(use(1), event('dependency.expired', 2), event('dependency.declared', 3))?.expired, true);
});
