import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Block } from '../../../src/projector/fold/endpoint-block.ts';
import { decodeBlock, encodeBlock } from '../../../src/projector/fold/endpoint-codec.ts';
import { patchBlock } from '../../../src/projector/fold/endpoint-patch.ts';
import { type EndpointRecord, makeFacet, withFacet } from '../../../src/projector/fold/endpoint-record.ts';
import { EndpointShards, MAX_BLOCK, MERGE_BLOCKS } from '../../../src/projector/fold/endpoint-shards.ts';

const healths = [undefined, 'healthy', 'draining', 'unhealthy'] as const;

const recordOf = (id: string, offset: number, variant: number): EndpointRecord => {
  const health = healths[variant % 4];
  const word = {
    id,
    address: `10.0.0.${variant % 250}`,
    labels: { version: `v${variant % 3}` },
    ...(variant % 5 === 0 ? { ports: { 80: 8080, 443: 8443 }, weight: variant } : {}),
    ...(health === undefined ? {} : { health }),
  };
  const facet = makeFacet(word, 'a', 100, offset, undefined, []);
  const record = withFacet(undefined, facet, offset);
  const second =
    variant % 7 === 0 ? makeFacet({ ...word, address: '10.1.1.1' }, 'b', 200, offset, undefined, []) : undefined;
  const both = second === undefined || record === undefined ? record : withFacet(record, second, offset);
  if (both === undefined) throw new Error('no record');
  return both;
};

const plainOf = (record: EndpointRecord) => ({
  id: record.id,
  offset: record.offset,
  view: record.view,
  facets: record.facets.map(({ source, rank, first, template, view }) => ({
    source,
    rank,
    first,
    template: template.text,
    view,
  })),
});

const ids = fc.integer({ min: 0, max: 400 }).map((n) => `pod-${n}`);
const change = fc.record({
  id: ids,
  remove: fc.integer({ min: 0, max: 2 }).map((n) => n === 0),
  variant: fc.nat(1000),
});
const burst = fc.record({ count: fc.integer({ min: 0, max: 150 }), remove: fc.boolean(), from: fc.nat(300) });

test('holds what a plain map holds, in order, in blocks of the right size', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: change }, { weight: 1, arbitrary: burst }), { maxLength: 60 }),
      (list) => {
        let shards = EndpointShards.empty;
        const plain = new Map<string, EndpointRecord>();
        let offset = 0;
        const put = (id: string, variant: number) => {
          offset += 1;
          const record = recordOf(id, offset, variant);
          shards = shards.with(record);
          plain.set(id, record);
        };
        const remove = (id: string) => {
          shards = shards.without(id);
          plain.delete(id);
        };
        for (const step of list) {
          if ('count' in step) {
            for (let n = 0; n < step.count; n += 1) {
              if (step.remove) remove(`pod-${step.from + n}`);
              else put(`pod-${step.from + n}`, n);
            }
          } else if (step.remove) remove(step.id);
          else put(step.id, step.variant);
          const expected = [...plain.keys()].sort();
          assert.deepEqual(
            [...shards.records()].map(({ id }) => id),
            expected,
          );
          assert.equal(shards.count, plain.size);
          assert.ok(shards.blocks.every(({ size }) => size >= 1 && size <= MAX_BLOCK));
          if (plain.size <= MERGE_BLOCKS) assert.ok(shards.blocks.length <= 1);
          assert.equal(new Set(shards.blocks.map(({ number }) => number)).size, shards.blocks.length);
          for (const [id, record] of plain) assert.equal(shards.get(id), record);
          assert.equal(shards.get('absent'), undefined);
        }
        // Stored and loaded in another order, it is the same and goes on the same way.
        const loaded = EndpointShards.of(
          shards.blocks.map((block) => Block.packed(block.number, block.bytes())).reverse(),
        );
        assert.deepEqual([...loaded.records()].map(plainOf), [...shards.records()].map(plainOf));
        const more = [recordOf('pod-1000', 1, 1), recordOf('a', 2, 2), recordOf('pod-2', 3, 3)];
        const layout = (state: EndpointShards) =>
          more
            .reduce((next, record) => next.with(record), state)
            .blocks.map(({ number, bytes, size }) => [number, size, bytes]);
        assert.deepEqual(
          layout(loaded).map(([number, size]) => [number, size]),
          layout(shards).map(([number, size]) => [number, size]),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test('packing is exact, and patched bytes are the bytes of packing anew', () => {
  const text = fc.oneof(
    fc.string({ minLength: 1, maxLength: 12 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }),
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(text, fc.nat(1000)), { minLength: 1, maxLength: 64, selector: ([id]) => id }),
      fc.array(fc.tuple(fc.nat(63), fc.constantFrom(...healths), fc.nat(255), fc.nat()), { maxLength: 5 }),
      (list, edits) => {
        const before = list
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([id, variant], index) => recordOf(id, index * 1_000_000_007, variant));
        const bytes = encodeBlock(before).slice();
        assert.deepEqual(decodeBlock(bytes).map(plainOf), before.map(plainOf));
        const after = before.slice();
        for (const [at, health, octet, offset] of edits) {
          const record = after[at % after.length];
          const [facet] = record?.facets ?? [];
          if (record === undefined || facet === undefined) continue;
          const word = {
            ...(JSON.parse(facet.template.text) as object),
            id: record.id,
            address: `192.168.100.${octet}`,
            ...(health === undefined ? {} : { health }),
          };
          const next = withFacet(record, makeFacet(word, facet.source, facet.rank, offset, facet, []), offset);
          if (next !== undefined) after[at % after.length] = next;
        }
        const anew = encodeBlock(after).slice();
        assert.deepEqual(patchBlock(bytes, before, after)?.slice(), anew);
        const [head] = before;
        if (head !== undefined) {
          const other = { ...head, facets: [...head.facets].reverse() };
          const changed = [other, ...before.slice(1)];
          const patched = patchBlock(bytes, before, changed)?.slice();
          if (patched !== undefined) assert.deepEqual(patched, encodeBlock(changed).slice());
        }
        // Other labels need another dictionary, so nothing can be patched.
        const [other] = after;
        const [facet] = other?.facets ?? [];
        if (other !== undefined && facet !== undefined) {
          const word = { id: other.id, address: '10.0.0.1', labels: { version: 'v9' } };
          const next = withFacet(other, makeFacet(word, facet.source, facet.rank, 1, facet, []), 1);
          if (next !== undefined) assert.equal(patchBlock(anew, after, [next, ...after.slice(1)]), undefined);
        }
        assert.equal(patchBlock(bytes, before, before.slice(1)), undefined);
      },
    ),
    { numRuns: 200 },
  );
});

test('equal records give equal bytes, whatever objects they share', () => {
  const shared = recordOf('a', 1, 5);
  const template = shared.facets[0]?.template;
  const one = makeFacet(
    { id: 'b', address: '10.0.0.1', labels: { version: 'v2' }, ports: { 443: 8443, 80: 8080 }, weight: 5 },
    'a',
    100,
    2,
    undefined,
    template === undefined ? [] : [template],
  );
  const two = makeFacet(
    { id: 'b', address: '10.0.0.1', weight: 5, ports: { 80: 8080, 443: 8443 }, labels: { version: 'v2' } },
    'a',
    100,
    2,
    undefined,
    [],
  );
  const records = [one, two].map((facet) => withFacet(undefined, facet, 2)).filter((record) => record !== undefined);
  const [left, right] = records.map((record) => encodeBlock([shared, record]).slice());
  assert.deepEqual(left, right);
});

test('bytes that are cut off or of another version are refused', () => {
  const bytes = encodeBlock([recordOf('a', 1, 1), recordOf('b', 2, 7)]).slice();
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(() => decodeBlock(bytes.subarray(0, length)), RangeError, `length ${length}`);
  }
  const other = bytes.slice();
  other[0] = 9;
  assert.throws(() => decodeBlock(other), /version 9/);
});
