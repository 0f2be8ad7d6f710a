import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../src/runtime/outbox.ts';

test('items stay until confirmed, and go to the next receiver again', () => {
  const box = new Outbox<string>(10);
  assert.equal(box.unsent(), undefined);
  box.put('a');
  box.put('b');
  assert.deepEqual(box.unsent(), { upTo: 2, items: ['a', 'b'] });
  box.sent(2);
  assert.equal(box.unsent(), undefined);
  box.put('c');
  assert.deepEqual(box.unsent(), { upTo: 3, items: ['c'] });
  box.sent(3);
  box.confirmed(2);
  assert.equal(box.size, 1);
  box.again();
  assert.deepEqual(box.unsent(), { upTo: 3, items: ['c'] });
  box.confirmed(3);
  assert.equal(box.size, 1, 'what was not sent to this receiver, it cannot have confirmed');
  box.sent(3);
  box.confirmed(3);
  assert.equal(box.size, 0);
});

test('at the bound the oldest go, counted, and numbers go on', () => {
  const box = new Outbox<number>(3);
  for (let item = 0; item < 5; item++) box.put(item);
  assert.deepEqual([box.size, box.dropped], [3, 2]);
  assert.deepEqual(box.unsent(), { upTo: 5, items: [2, 3, 4] });
  box.sent(5);
  box.put(5);
  assert.deepEqual(box.unsent(), { upTo: 6, items: [5] });
  box.confirmed(5);
  assert.deepEqual([box.size, box.unsent()], [1, { upTo: 6, items: [5] }]);
});
