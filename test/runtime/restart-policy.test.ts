import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshRestarts, nextRestart } from '../../src/runtime/restart-policy.ts';

test('delays double from 50 ms to 5 s and start anew after a healthy life', () => {
  let state = freshRestarts;
  const delays: number[] = [];
  for (let round = 0; round < 10; round++) {
    const next = nextRestart(state, 100);
    delays.push(next.delayMs);
    state = next.state;
  }
  assert.deepEqual(delays, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
  assert.equal(nextRestart(state, 30_000).delayMs, 50);
});
