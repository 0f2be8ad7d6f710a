import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, FRESH, type MemoryFacts, type MemoryState } from '../../src/runtime/idle-memory.ts';

const MB = 1024 * 1024;
const quiet = (used: number, committed: number, busy = 0.01): MemoryFacts => ({
  busy,
  used: used * MB,
  committed: committed * MB,
});

/** What is decided look by look. */
const run = (looks: readonly MemoryFacts[]): boolean[] => {
  let state: MemoryState = FRESH;
  return looks.map((facts) => {
    const decided = decide(state, facts);
    state = decided.state;
    return decided.collect;
  });
};

test('M1: a busy process is left alone until it is quiet', () => {
  assert.deepEqual(run([quiet(100, 180, 0.9), quiet(100, 180, 0.21), quiet(100, 180, 0.19)]), [false, false, true]);
});

test('M2: a large heap is never collected: the pause would be felt', () => {
  assert.deepEqual(run([quiet(257, 900), quiet(1_000, 2_000)]), [false, false]);
});

test('M3: the second one comes only while there is something to give back', () => {
  assert.deepEqual(run([quiet(120, 180), quiet(55, 170), quiet(55, 66)]), [true, true, false]);
  assert.deepEqual(run([quiet(50, 60), quiet(50, 60), quiet(50, 60)]), [true, false, false]);
});

test('M4: after three it waits until the process has grown again', () => {
  const looks = [
    ...[quiet(120, 180), quiet(55, 170), quiet(55, 160), quiet(55, 150)],
    ...[quiet(56, 70), quiet(60, 81), quiet(60, 87), quiet(60, 87)],
  ];
  assert.deepEqual(run(looks), [true, true, true, false, false, false, false, true]);
});
