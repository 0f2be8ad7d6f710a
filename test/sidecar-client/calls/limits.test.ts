/** Limits and budgets are never exceeded, whatever comes in whatever order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addresses, coreOf, ok } from './held.ts';

test('requests never above the limit; retries never above the budget; both refused are counted', () => {
  const step = fc.constantFrom('call', 'call', 'end', 'retry', 'retried');
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom(0, 20, 50),
      fc.nat(3),
      fc.array(step, { maxLength: 80 }),
      (maxRequests, percent, minRetries, steps) => {
        const { cluster } = coreOf(addresses(3), {
          circuitBreakers: {
            thresholds: [
              {
                maxRequests: { value: maxRequests },
                retryBudget: { budgetPercent: { value: percent }, minRetryConcurrency: { value: minRetries } },
              },
            ],
          },
        });
        const running: (() => void)[] = [];
        const retries: (() => void)[] = [];
        let overflows = 0;
        let refused = 0;
        for (const each of steps) {
          if (each === 'call') {
            const pick = cluster.pick(undefined, undefined, 0);
            assert.equal(typeof pick === 'string', running.length >= maxRequests);
            if (typeof pick === 'string') overflows += 1;
            else running.push(() => pick.release(ok, 0));
          } else if (each === 'end') running.pop()?.();
          else if (each === 'retry') {
            const most = Math.max(minRetries, Math.floor((running.length * percent) / 100));
            const allowed = cluster.beginRetry();
            assert.equal(allowed !== undefined, retries.length < most);
            if (allowed === undefined) refused += 1;
            else retries.push(allowed.done);
          } else {
            const done = retries.pop();
            done?.();
            done?.(); // counts once
          }
          const { active, retries: held, overflows: over, retriesRefused } = cluster.stats();
          assert.deepEqual([active, held, over, retriesRefused], [running.length, retries.length, overflows, refused]);
        }
      },
    ),
    { numRuns: 150 },
  );
});
