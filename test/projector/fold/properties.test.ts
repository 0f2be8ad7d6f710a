/** Invariants of the fold (fold-state.ts) on random logs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LogRecord } from '../../../src/log/index.ts';
import { createFoldState, type FoldState } from '../../../src/projector/fold/index.ts';
import type { FoldOutcome } from '../../../src/projector/types.ts';
import { anyLog } from './scripts.ts';
import { endpointsOf, MESH, Stored } from './story.ts';

const RUNS = { numRuns: 150 };
const window = { ms: 30, events: 20 };
const newFold = (): FoldState => createFoldState({ mesh: MESH, freeze: true, idempotency: window });

const foldAll = (fold: FoldState, records: readonly LogRecord[]): FoldOutcome[] =>
  records.flatMap((record) => [...fold.apply(record)]);

/** What others derive from a state. */
const derived = (fold: FoldState) => ({
  mesh: [...fold.compileInputs.mesh().suffixes],
  services: [...fold.serviceNames()].map((name) => [
    fold.service(name),
    fold
      .service(name)
      ?.ports.map(({ port }) => [fold.compileInputs.route(name, port), fold.compileInputs.upstream(name, port)]),
    fold.compileInputs.subsetsUsedElsewhere?.(name),
  ]),
  endpoints: ['a', 'b', 'c'].flatMap((name) =>
    ['default', 'shop'].map((namespace) => endpointsOf(fold, `${name}.${namespace}`)),
  ),
  dependencies: ['a.default', 'web.shop'].map((caller) => fold.graphLookup.dependency(caller)),
  hosts: ['www.example.com', 'b.default', 'a'].map((host) => fold.externalOwner(host)),
});

/** Everything that can be asked of a state. */
const picture = (fold: FoldState) => ({
  ...derived(fold),
  offset: fold.offset,
  recordedAt: fold.recordedAt,
  facets: [...fold.serviceNames()].map((name) => fold.serviceFacets(name)),
  policies: [...fold.policies()],
  edges: [...fold.callersWithEdges()].sort().map((caller) => fold.edges(caller)),
  raw: [...fold.rawKeys()].sort().map((key) => [key, fold.raw(key)]),
  rawLabels: [...fold.rawSetKeys()].sort().map((key) => [key, fold.rawLabel(key)]),
  rememberedFrom: fold.rememberedFrom,
});

test('replayed twice: the same outcomes and the same bytes', () => {
  fc.assert(
    fc.property(anyLog, (records) => {
      const [one, two] = [newFold(), newFold()];
      assert.deepEqual(foldAll(one, records), foldAll(two, records));
      const [left, right] = [new Stored(), new Stored()];
      left.take(one);
      right.take(two);
      assert.deepEqual(left.text(), right.text());
    }),
    RUNS,
  );
});

test('every event is settled once, in order, but for those of an open batch', () => {
  fc.assert(
    fc.property(anyLog, (records) => {
      const fold = newFold();
      const offsets = foldAll(fold, records).map(({ offset }) => offset);
      assert.deepEqual(offsets, records.map(({ offset }) => offset).slice(0, fold.offset));
      const { applied, rejected, quarantined, duplicate } = fold.counters;
      assert.equal(applied + rejected + quarantined + duplicate, offsets.length);
    }),
    RUNS,
  );
});

test('drained anywhere: the same state (invariant 1)', () => {
  fc.assert(
    fc.property(anyLog, fc.array(fc.boolean(), { maxLength: 20 }), (records, drains) => {
      const [plain, drained] = [newFold(), newFold()];
      const [left, right] = [new Stored(), new Stored()];
      const outcomes = foldAll(plain, records);
      const others: FoldOutcome[] = [];
      for (const [index, record] of records.entries()) {
        others.push(...drained.apply(record));
        if (drains[index % (drains.length || 1)] === true) right.take(drained);
      }
      assert.deepEqual(others, outcomes);
      assert.deepEqual(picture(drained), picture(plain));
      left.take(plain);
      right.take(drained);
      assert.deepEqual(right.text(), left.text());
    }),
    RUNS,
  );
});

test('stored and loaded anywhere: the same state and the same further outcomes (invariants 1 and 2)', () => {
  fc.assert(
    fc.property(anyLog, fc.nat(200), fc.nat(200), (records, first, second) => {
      const plain = newFold();
      const outcomes = foldAll(plain, records);
      const stored = new Stored();
      let fold = newFold();
      const others: FoldOutcome[] = [];
      // A restart reads on behind the stored offset, so an open batch is read again.
      const cuts = [first, second].map((cut) => cut % (records.length + 1)).sort((a, b) => a - b);
      let from = 0;
      for (const cut of [...cuts, records.length]) {
        others.push(...foldAll(fold, records.slice(from, cut)));
        stored.take(fold);
        from = stored.offset;
        fold = stored.restore({ idempotency: window });
      }
      others.push(...foldAll(fold, records.slice(from)));
      assert.deepEqual(others, outcomes);
      assert.deepEqual(picture(fold), picture(plain));
      const whole = new Stored();
      whole.take(plain);
      stored.take(fold);
      assert.deepEqual(stored.text(), whole.text());
    }),
    RUNS,
  );
});

test('what is not told to have changed has not changed', () => {
  fc.assert(
    fc.property(anyLog, (records) => {
      const fold = newFold();
      const viewsOf = () => new Map([...fold.serviceNames()].map((name) => [name, fold.service(name)]));
      let before = derived(fold);
      let known = viewsOf();
      for (const record of records) {
        fold.apply(record);
        const { inputs, endpoints } = fold.drain();
        const touches = (...families: readonly string[]) =>
          [...inputs].some((input) => families.some((family) => input.startsWith(family)));
        const after = derived(fold);
        for (const name of new Set([...known.keys(), ...fold.serviceNames()])) {
          if (!inputs.has(`svc:${name}`)) assert.equal(fold.service(name), known.get(name), name);
        }
        if (!touches('eps:')) assert.deepEqual([after.endpoints, endpoints.size], [before.endpoints, 0]);
        if (!touches('doc:', 'svc:')) assert.deepEqual(after.services, before.services);
        if (!touches('doc:Dependency')) assert.deepEqual(after.dependencies, before.dependencies);
        if (!touches('svc:')) assert.deepEqual(after.hosts, before.hosts);
        if (!touches('mesh')) assert.deepEqual(after.mesh, before.mesh);
        before = after;
        known = viewsOf();
      }
    }),
    { numRuns: 60 },
  );
});

test('identity of endpoint blocks follows their content', () => {
  fc.assert(
    fc.property(anyLog, (records) => {
      const fold = newFold();
      let blocks = new Map(fold.compileInputs.endpoints('a.default').map((block) => [block, block.endpoints()]));
      for (const record of records) {
        fold.apply(record);
        const touched = fold.drain().inputs.has('eps:a.default');
        const now = fold.compileInputs.endpoints('a.default');
        for (const block of now) {
          const content = blocks.get(block);
          if (content === undefined) assert.ok(touched);
          else assert.deepEqual(block.endpoints(), content);
        }
        if (!touched) assert.equal(now.length, blocks.size);
        blocks = new Map(now.map((block) => [block, block.endpoints()]));
      }
    }),
    { numRuns: 60 },
  );
});
