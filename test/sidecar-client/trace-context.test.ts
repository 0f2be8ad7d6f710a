import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isTraceparent, newTraceparent, startTrace } from '../../src/sidecar-client/trace-context.ts';

test('what is made is valid, whatever the randomness; what is valid is kept', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (numbers) => {
      const random = (): number => numbers.next().value;
      const made = newTraceparent(random, random() < 0.5);
      assert.ok(isTraceparent(made), made);
      assert.equal(startTrace(made, { random, sampledShare: 1 }), undefined);
    }),
    { numRuns: 50 },
  );
  assert.ok(isTraceparent(newTraceparent(() => 0, true)), 'ids of zeros are not valid');
});

test('what is not valid is replaced', () => {
  const id = '0af7651916cd43dd8448eb211c80319c';
  for (const bad of [
    '',
    `00-${id}-b7ad6b7169203331`,
    `ff-${id}-b7ad6b7169203331-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${id}-${'0'.repeat(16)}-01`,
    `00-${id}-b7ad6b7169203331-01-more`,
    `00-${id.toUpperCase()}-b7ad6b7169203331-01`,
  ])
    assert.match(startTrace(bad, { random: () => 0.5, sampledShare: 1 }) ?? '', /^00-.*-01$/, bad);
  assert.ok(isTraceparent(`01-${id}-b7ad6b7169203331-01-more`), 'a later version may have more');
});
