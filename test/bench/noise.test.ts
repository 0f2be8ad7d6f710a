/** The rule of what is a change and what is noise (bench/sim/compare/noise.ts, N1 to N5). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  chanceOfApart,
  deviationOf,
  type FigureKind,
  judge,
  medianOf,
  type Side,
} from '../../bench/sim/compare/noise.ts';

const LOWER: FigureKind = { better: 'lower', isSeeded: false };
const value = fc.double({ min: 0.001, max: 1e6, noNaN: true });
const values = (least: number): fc.Arbitrary<number[]> => fc.array(value, { minLength: least, maxLength: 6 });
const side: fc.Arbitrary<Side> = fc.record({ runs: values(1), samples: values(0) });
const kind: fc.Arbitrary<FigureKind> = fc.record({
  better: fc.constantFrom('lower' as const, 'higher' as const, 'neither' as const),
  isSeeded: fc.boolean(),
  isFault: fc.boolean(),
});
const TURNED = { better: 'worse', worse: 'better', noise: 'noise', changed: 'changed' } as const;

test('N4 equal sides never differ; the order of sides and runs, and the unit, do not matter', () => {
  fc.assert(
    fc.property(side, side, kind, fc.constantFrom(0.5, 2, 1_024), (a, b, of, unit) => {
      assert.equal(judge(a, a, of)?.verdict, 'noise');
      const found = judge(a, b, of);
      assert.ok(found);
      assert.equal(judge(b, a, of)?.verdict, TURNED[found.verdict]);
      const turned = ({ runs, samples = [] }: Side): Side => ({
        runs: runs.toReversed(),
        samples: samples.toReversed(),
      });
      assert.deepEqual(judge(turned(a), turned(b), of), found);
      const scaled = ({ runs, samples = [] }: Side): Side => ({
        runs: runs.map((each) => each * unit),
        samples: samples.map((each) => each * unit),
      });
      assert.equal(judge(scaled(a), scaled(b), of)?.verdict, found.verdict);
    }),
  );
});

test('N1 ranges that meet are noise, whatever the medians; a side moved further away stays a change', () => {
  fc.assert(
    fc.property(values(2), values(2), fc.double({ min: 1, max: 10, noNaN: true }), (a, b, factor) => {
      const found = judge({ runs: a }, { runs: b }, LOWER);
      const meet = Math.max(...a) >= Math.min(...b) && Math.max(...b) >= Math.min(...a);
      if (meet) assert.equal(found?.verdict, 'noise');
      // Moved as a whole: its own spread is what it was.
      const further = b.map((each) => each + (factor - 1) * Math.max(...b));
      if (found?.verdict === 'worse') assert.equal(judge({ runs: a }, { runs: further }, LOWER)?.verdict, 'worse');
    }),
  );
  assert.equal(judge({ runs: [10, 11, 12] }, { runs: [20, 21, 22] }, LOWER)?.verdict, 'worse');
  assert.equal(judge({ runs: [20, 21, 22] }, { runs: [10, 11, 12] }, LOWER)?.verdict, 'better');
  assert.equal(judge({ runs: [10, 11, 19] }, { runs: [18, 21, 22] }, LOWER)?.verdict, 'noise');
  // Apart, but by less than a hundredth.
  assert.equal(judge({ runs: [100, 100.1] }, { runs: [100.2, 100.3] }, LOWER)?.verdict, 'noise');
});

test('N2 N3 one run: its seconds stand in, else a wide margin; what the seed decides needs none', () => {
  const seconds = (middle: number): number[] => [0.9, 1, 1, 1.1, 0.95, 1.05].map((part) => part * middle);
  const of = (run: number): Side => ({ runs: [run], samples: seconds(run) });
  assert.deepEqual([judge(of(10), of(20), LOWER)?.verdict, judge(of(10), of(20), LOWER)?.isWeak], ['worse', true]);
  assert.equal(judge(of(10), of(10.8), LOWER)?.verdict, 'noise');
  assert.equal(judge({ runs: [100] }, { runs: [120] }, LOWER)?.verdict, 'noise');
  assert.equal(judge({ runs: [100] }, { runs: [140] }, LOWER)?.verdict, 'worse');
  const bytes: FigureKind = { better: 'lower', isSeeded: true };
  assert.equal(judge({ runs: [1_000] }, { runs: [1_020] }, bytes)?.verdict, 'worse');
  assert.equal(judge({ runs: [1_000] }, { runs: [1_005] }, bytes)?.verdict, 'noise');
});

test('from nothing to something is a change without a percentage; what was not measured is not judged', () => {
  const lost = judge({ runs: [0, 0, 0] }, { runs: [3, 3, 4] }, LOWER);
  assert.deepEqual([lost?.verdict, lost?.change], ['worse', undefined]);
  assert.equal(judge({ runs: [] }, { runs: [1] }, LOWER), undefined);
  assert.equal(judge({ runs: [Number.NaN] }, { runs: [1] }, LOWER), undefined);
});

test('N5 what must be nought: one run that lost something is enough, and is what is shown', () => {
  const faults: FigureKind = { better: 'lower', isSeeded: true, isFault: true };
  const verdict = (a: number[], b: number[]): unknown => judge({ runs: a }, { runs: b }, faults)?.verdict;
  assert.equal(verdict([0, 0, 0], [0, 7, 500]), 'worse');
  assert.equal(verdict([0, 0, 0], [0, 0, 1]), 'worse');
  assert.equal(verdict([0, 7, 500], [0, 0, 0]), 'better');
  assert.equal(verdict([0, 7], [7, 0]), 'noise');
  assert.equal(judge({ runs: [0, 0, 0] }, { runs: [0, 0, 1] }, faults)?.b, 1);
});

test('medians, deviations and the chance of two equal sides to look apart', () => {
  assert.equal(medianOf([3, 1, 2]), 2);
  assert.equal(medianOf([4, 1, 2, 3]), 2.5);
  assert.equal(deviationOf([1, 2, 9]), 1);
  assert.equal(chanceOfApart(3, 3), 0.1);
  assert.equal(Math.round(chanceOfApart(2, 2) * 100), 33);
});
