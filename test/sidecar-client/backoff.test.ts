import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs, DEFAULT_BACKOFF } from '../../src/sidecar-client/index.ts';

test('full jitter: anywhere between nothing and a bound that doubles up to its maximum', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 10_000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, random) => {
        const ms = backoffMs(attempt, () => random);
        const bound = Math.min(DEFAULT_BACKOFF.maxMs, DEFAULT_BACKOFF.baseMs * 2 ** Math.min(attempt, 20));
        assert.ok(Number.isInteger(ms) && ms >= 0 && ms <= bound);
        assert.equal(ms, Math.floor(random * bound));
      },
    ),
  );
  assert.equal(
    backoffMs(2, () => 0.5, { baseMs: 100, maxMs: 1_000 }),
    200,
  );
  assert.equal(
    backoffMs(50, () => 0.999, { baseMs: 100, maxMs: 1_000 }),
    999,
  );
});
