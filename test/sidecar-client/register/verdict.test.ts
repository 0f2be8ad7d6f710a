/** Readiness from single results (src/sidecar-client/register/verdict.ts, V1 to V3). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextVerdict, UNKNOWN, type Verdict } from '../../../src/sidecar-client/register/verdict.ts';

const after = (results: string, thresholds?: { failures: number; successes: number }): Verdict =>
  [...results].reduce((verdict, result) => nextVerdict(verdict, result === '+', thresholds), UNKNOWN);

test('V1, V2, V3: three failures in a row are out, one success is in, nothing is known before the first success', () => {
  const rows: readonly (readonly [string, Verdict['is']])[] = [
    ['', 'unknown'],
    ['-----', 'unknown'],
    ['--+', 'up'],
    ['+--', 'up'],
    ['+---', 'down'],
    ['+--+--', 'up'],
    ['+---+', 'up'],
    ['+---+--', 'up'],
  ];
  for (const [results, is] of rows) assert.equal(after(results).is, is, results);
  assert.equal(after('+-', { failures: 1, successes: 2 }).is, 'unknown');
  assert.equal(after('++-', { failures: 1, successes: 2 }).is, 'down');
  assert.equal(after('++-+', { failures: 1, successes: 2 }).is, 'down');
});

test('V1, V2, V3 hold for any results and thresholds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (results, failures, successes) => {
        let verdict = UNKNOWN;
        results.forEach((ok, at) => {
          const before = verdict.is;
          verdict = nextVerdict(verdict, ok, { failures, successes });
          const tail = (length: number, value: boolean) =>
            at + 1 >= length && results.slice(at + 1 - length, at + 1).every((each) => each === value);
          if (verdict.is === 'down' && before !== 'down') assert.ok(before === 'up' && tail(failures, false), 'V1, V2');
          if (before === 'up' && tail(failures, false)) assert.equal(verdict.is, 'down', 'V2');
          if (before !== 'up') assert.equal(verdict.is === 'up', tail(successes, true), 'V3');
        });
      },
    ),
    { numRuns: 200 },
  );
});
