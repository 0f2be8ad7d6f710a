import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Idempotency, type IdempotencyWindow } from '../../../src/projector/fold/idempotency.ts';
import { PACKED_ENTRY } from '../../../src/projector/fold/idempotency-entries.ts';
import { Story, service } from './story.ts';

const HOUR = 3_600_000;

/** The plain, slow model: a list of what was seen. */
class PlainIdempotency {
  private seen: { readonly key: string; readonly offset: number; readonly at: number }[] = [];
  private readonly window: IdempotencyWindow;

  constructor(window: IdempotencyWindow) {
    this.window = window;
  }

  claim(source: string, id: string, offset: number, at: number): number {
    this.seen = this.seen.filter(
      (entry) => offset - entry.offset <= this.window.events || at - entry.at <= this.window.ms,
    );
    const key = JSON.stringify([source, id]);
    const found = this.seen.find((entry) => entry.key === key);
    if (found !== undefined) return found.offset;
    this.seen.push({ key, offset, at });
    return 0;
  }

  get size(): number {
    return this.seen.length;
  }
}

const steps = fc.array(
  fc.record({
    source: fc.constantFrom('a', 'b', ''),
    id: fc.oneof(fc.integer({ min: 0, max: 30 }).map(String), fc.string({ maxLength: 3 })),
    gap: fc.integer({ min: 1, max: 3 }),
    ms: fc.constantFrom(0, 0, 1, 20),
    reload: fc.boolean(),
  }),
  { maxLength: 300 },
);

test('says what a plain list says, also through saving and loading', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 60 }), (list, events, ms) => {
      const window = { events, ms };
      const plain = new PlainIdempotency(window);
      let table = new Idempotency(window);
      const packs: Uint8Array[] = [];
      let offset = 0;
      let at = 1000;
      for (const step of list) {
        offset += step.gap;
        at += step.ms;
        assert.equal(table.claim(step.source, step.id, offset, at), plain.claim(step.source, step.id, offset, at));
        assert.equal(table.size, plain.size);
        if (!step.reload) continue;
        packs.push(table.drain());
        table = new Idempotency(window);
        for (const pack of packs) table.load(pack);
      }
    }),
    { numRuns: 200 },
  );
});

test('an id is remembered for the longer one of time and number of events', () => {
  const story = new Story({ idempotency: { ms: 24 * HOUR, events: 3 } });
  const send = (id: string, hours: number) => {
    story.recordedAt = hours * HOUR;
    return story.send('service.registered', service('a'), { id });
  };
  assert.equal(send('x', 0).status, 'applied');
  for (let n = 0; n < 5; n += 1) assert.equal(send(`y${n}`, 24).status, 'applied');
  assert.deepEqual(send('x', 24), { offset: 7, status: 'duplicate', duplicateOf: 1 });
  assert.equal(send('x', 24.01).status, 'applied');
  // Long ago, but only three events away.
  assert.deepEqual(send('x', 500), { offset: 9, status: 'duplicate', duplicateOf: 8 });
  // A duplicate does not make the first one younger.
  assert.equal(send('z1', 501).status, 'applied');
  assert.equal(send('z2', 502).status, 'applied');
  assert.equal(send('x', 503).status, 'applied');
});

test('rejected and quarantined events are remembered as well; other sources have their own ids', () => {
  const story = new Story();
  story.send('service.registered', service('a'), { id: 'x', expect: 9 });
  assert.equal(story.send('service.registered', service('a'), { id: 'x' }).duplicateOf, 1);
  assert.equal(story.send('service.registered', service('a'), { id: 'x', source: 'other' }).status, 'applied');
  story.send('service.registered', service('A'), { id: 'y' });
  assert.equal(story.send('service.registered', service('a'), { id: 'y' }).duplicateOf, 4);
  // An event of another mesh took no id of ours.
  story.send('service.registered', service('a'), { id: 'z', mesh: 'other' });
  assert.equal(story.send('service.registered', service('b'), { id: 'z' }).status, 'applied');
});

test('many entries: found, forgotten from the front, packed in 32 bytes each', () => {
  const table = new Idempotency({ ms: 0, events: 100_000 });
  const size = 250_000;
  for (let offset = 1; offset <= size; offset += 1) assert.equal(table.claim('s', `id-${offset}`, offset, 0), 0);
  // Time stands still, so nothing is forgotten.
  assert.equal(table.size, size);
  assert.equal(table.claim('s', 'id-1', size + 1, 0), 1);
  assert.equal(table.claim('s', 'new', size + 2, 1), 0);
  assert.equal(table.size, 100_000);
  assert.equal(table.rememberedFrom, size + 2 - 100_000);
  assert.equal(table.claim('s', 'id-1', size + 3, 1), 0);
  assert.equal(table.claim('s', `id-${size}`, size + 4, 1), size);
  assert.equal(table.drain().length % PACKED_ENTRY, 0);
  assert.equal(table.drain().length, 0);
});

test('counting entries anew loses nothing', () => {
  const events = 20_000;
  const table = new Idempotency({ ms: 0, events }, 60_000);
  const seen = new Map<string, number>();
  for (let offset = 1; offset <= 200_000; offset += 1) {
    const id = String((offset * 7919) % 35_000);
    const first = seen.get(id);
    const expected = first !== undefined && offset - first <= events ? first : 0;
    assert.equal(table.claim('s', id, offset, offset), expected);
    if (expected === 0) seen.set(id, offset);
    if (offset % 10_000 === 0) table.drain();
  }
});

test('packs that are cut off or out of order are refused', () => {
  const table = new Idempotency();
  table.claim('s', 'a', 5, 0);
  const pack = table.drain();
  assert.throws(() => new Idempotency().load(pack.subarray(1)), /cut off/);
  const twice = new Idempotency();
  twice.load(pack);
  assert.throws(() => twice.load(pack), /after/);
});
