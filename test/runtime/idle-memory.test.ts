import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getHeapSpaceStatistics } from 'node:v8';
import { decide, FRESH, lowMemory, type MemoryFacts, type MemoryState } from '../../src/runtime/idle-memory.ts';

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
  assert.deepEqual(run([quiet(129, 900), quiet(1_000, 2_000)]), [false, false]);
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

/** What V8 has taken from the system for its young generation, bytes. */
const young = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')?.space_size ?? 0;

test('the young generation becomes small again, and the process goes on: time after time', async () => {
  const collect = await lowMemory();
  assert.ok(collect !== undefined, 'this Node has its inspector');
  for (let round = 0; round < 3; round++) {
    // Objects that outlive a few collections make it grow.
    let kept: object[] = [];
    for (let at = 0; at < 600_000; at++) {
      kept.push({ at });
      if (kept.length > 100_000) kept = [];
    }
    const before = young();
    assert.ok(before > 4 * MB, `${before} bytes`);
    await new Promise<void>((done) => collect(done));
    assert.ok(young() < before / 2, `${before} bytes, then ${young()}`);
  }
});
