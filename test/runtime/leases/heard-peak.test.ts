/** How many are usual: H1 and H2 of src/runtime/leases/heard-peak.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeardPeaks, PEAK_MS } from '../../../src/runtime/leases/heard-peak.ts';

test('H1: no less than the most of the last half hour, and nothing that is older than an hour', () => {
  const step = fc.record({ ms: fc.integer({ min: 1_000, max: PEAK_MS / 4 }), heard: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const peaks = new HeardPeaks();
      const notes: { readonly at: number; readonly heard: number }[] = [];
      let now = 0;
      /** Without the time in which nobody was heard. */
      let counted = 0;
      const most = (ms: number) => Math.max(...notes.filter(({ at }) => at > counted - ms).map(({ heard }) => heard));
      for (const { ms, heard } of steps) {
        now += ms;
        if (heard > 0) counted += ms;
        notes.push({ at: counted, heard });
        const peak = peaks.note('cart.shop', now, () => heard);
        assert.ok(peak >= most(PEAK_MS), `${peak} at ${now}, of the last half hour ${most(PEAK_MS)}`);
        // A span begins with the first note after the end of the one before.
        assert.ok(peak <= most(2.5 * PEAK_MS), `${peak} at ${now}`);
      }
    }),
    { numRuns: 100 },
  );
});

test('H2: of a service that was not noted lately all are asked for', () => {
  const peaks = new HeardPeaks();
  const asked: number[] = [];
  const note = (service: string, at: number) =>
    peaks.note(service, at, (ms) => {
      asked.push(ms);
      return 1;
    });
  note('cart.shop', 0);
  note('cart.shop', 5_000);
  note('pay.shop', 6_000);
  note('cart.shop', 5_001 + PEAK_MS);
  peaks.clear();
  note('cart.shop', 5_002 + PEAK_MS);
  assert.deepEqual(asked, [Infinity, 5_000, Infinity, Infinity, Infinity]);
});
