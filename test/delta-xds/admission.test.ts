/** New connections begin a few at a time, and none of them can hold up the others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission } from '../../src/delta-xds/admission.ts';

test('32 begin at once, each that has begun or is gone lets the next one in, and silent ones make room after 50 ms', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const begun: number[] = [];
  const admission = new Admission<number>(
    () => now,
    (item) => begun.push(item),
  );
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, item) => item);
  for (const item of upTo(100)) admission.enter(item);
  assert.deepEqual(begun, upTo(32));
  assert.equal(admission.waiting, 68);
  // It had a stream; one that waits is closed by its client.
  admission.leave(0);
  admission.leave(33);
  assert.deepEqual(begun, upTo(33));
  admission.leave(1);
  assert.deepEqual(begun, [...upTo(33), 34]);
  // Leaving twice frees no second place.
  admission.leave(1);
  assert.equal(begun.length, 34);
  now += 60;
  context.mock.timers.tick(60);
  assert.equal(begun.length, 34 + 32);
  assert.deepEqual(admission.stop(), upTo(100).slice(67));
  assert.equal(admission.waiting, 0);
  now += 60;
  context.mock.timers.tick(60);
  assert.equal(begun.length, 34 + 32);
});

test('an item that leaves while it begins does not break the order', () => {
  const begun: number[] = [];
  const admission: Admission<number> = new Admission<number>(
    () => 0,
    (item) => {
      begun.push(item);
      admission.leave(item);
    },
  );
  for (let item = 0; item < 200; item++) admission.enter(item);
  assert.equal(begun.length, 200);
  assert.deepEqual(
    begun,
    [...begun].sort((a, b) => a - b),
  );
  admission.stop();
});

test('while requests wait in line one begins every 5 ms; then all that may', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const begun: number[] = [];
  let isBusy = true;
  const admission = new Admission<number>(
    () => 0,
    (item) => begun.push(item),
    () => isBusy,
  );
  for (let item = 0; item < 100; item++) admission.enter(item);
  assert.deepEqual(begun, []);
  admission.leave(1);
  context.mock.timers.tick(5);
  assert.deepEqual(begun, [0]);
  context.mock.timers.tick(5);
  assert.deepEqual(begun, [0, 2], 'who is gone takes no turn');
  isBusy = false;
  admission.leave(0);
  assert.equal(begun.length, 2 + 31);
  assert.equal(admission.stop().length, 100 - 1 - 33);
});
