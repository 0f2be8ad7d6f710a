/** How the age of a copy is recorded and said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageOf, agoText, decodeTimes, encodeTimes } from '../../../src/agent/relay/age.ts';

test('times survive their record; a record of another length is none', () => {
  for (const confirmedAt of [undefined, 0, 1_700_000_000_123])
    assert.deepEqual(decodeTimes(encodeTimes({ seenAt: 5, confirmedAt })), { seenAt: 5, confirmedAt });
  assert.equal(decodeTimes(Buffer.alloc(15)), undefined);
});

test('an age is said in the largest unit of which there are two; a clock that was set back gives 0', () => {
  const day = 86_400_000;
  for (const [age, text] of [
    [undefined, 'of unknown age'],
    [0, 'of 0 s ago'],
    [119_999, 'of 119 s ago'],
    [180_000, 'of 3 min ago'],
    [2 * 3_600_000 - 1, 'of 119 min ago'],
    [day, 'of 24 h ago'],
    [2 * day, 'of 2 days ago'],
  ] as const)
    assert.equal(agoText(age), text);
  assert.deepEqual([ageOf(100, 90), ageOf(undefined, 90), ageOf(90, 100)], [0, undefined, 10]);
});
