/** One timer for many deadlines of one length. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from '../../src/delta-xds/deadlines.ts';

test('each item is told when its own time is over, in order, unless it is taken out or begun again', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const expired: string[] = [];
  const deadlines = new Deadlines<string>(
    100,
    () => now,
    (item) => expired.push(`${item} at ${now}`),
  );
  const pass = (ms: number): void => {
    for (let step = 0; step < ms; step += 10) {
      now += 10;
      context.mock.timers.tick(10);
    }
  };
  deadlines.add('a');
  pass(30);
  deadlines.add('b');
  deadlines.add('c');
  pass(30);
  deadlines.add('d');
  deadlines.delete('b');
  deadlines.add('a');
  assert.equal(deadlines.size, 3);
  pass(200);
  assert.deepEqual(expired, ['c at 130', 'd at 160', 'a at 160']);
  assert.equal(deadlines.size, 0);
  deadlines.add('e');
  pass(50);
  deadlines.close();
  pass(200);
  assert.equal(expired.length, 3);
  deadlines.add('f');
  pass(100);
  assert.equal(expired[3], 'f at 610');
});

test('what is added or deleted while others expire is not lost, and not told', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const expired: string[] = [];
  const deadlines: Deadlines<string> = new Deadlines<string>(
    100,
    () => now,
    (item) => {
      expired.push(item);
      if (item === 'a') {
        deadlines.delete('b');
        deadlines.add('again');
      }
    },
  );
  deadlines.add('a');
  deadlines.add('b');
  now = 100;
  context.mock.timers.tick(100);
  assert.deepEqual(expired, ['a']);
  now = 200;
  context.mock.timers.tick(100);
  assert.deepEqual(expired, ['a', 'again']);
});
