/** Loop lag as a histogram over time: short turns, one long turn, a bound. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { LAG_BOUNDS, LoopLag } from '../../src/runtime/loop-lag.ts';

const at = (bound: number): number => LAG_BOUNDS.indexOf(bound);

test('turns in time count as no lag', () => {
  let now = 0;
  const lag = new LoopLag(() => now);
  try {
    for (let turn = 0; turn < 5; turn++) {
      now += 20;
      lag.sample();
    }
    const { buckets, count, sum } = lag.read();
    assert.equal(count, 5);
    assert.equal(sum, 0);
    assert.equal(buckets[at(0.001)], 5);
  } finally {
    lag.close();
  }
});

test('one long turn counts as all the samples that it delayed, each with its own lag', () => {
  let now = 0;
  const lag = new LoopLag(() => now);
  try {
    now += 20 + 100;
    lag.sample();
    const { buckets, count, sum } = lag.read();
    // Due after 20, 40, 60, 80 and 100 ms, seen after 120.
    assert.equal(count, 5);
    assert.ok(Math.abs(sum - 0.3) < 1e-9);
    assert.equal(buckets[at(0.1)], 5);
    assert.equal(buckets[at(0.075)], 3);
    assert.equal(buckets[at(0.025)], 1);
  } finally {
    lag.close();
  }
});

test('a process that was stopped for an hour does not count every missed sample', () => {
  let now = 0;
  const lag = new LoopLag(() => now);
  try {
    now += 3_600_000;
    lag.sample();
    const { buckets, count } = lag.read();
    assert.equal(count, 1_000);
    assert.equal(buckets.at(-1), 0);
  } finally {
    lag.close();
  }
});
