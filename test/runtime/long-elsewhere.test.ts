/** What several workers know together of a node's long streams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LongElsewhere, STATE_MS, statementOf } from '../../src/runtime/long-elsewhere.ts';

const over = (nodes: readonly (readonly [string, number])[]) =>
  JSON.parse(JSON.stringify(statementOf(new Map(nodes)))) as ReturnType<typeof statementOf>;

test('without other workers nothing is unknown', () => {
  assert.equal(new LongElsewhere(0).longest('a', 0), 0);
});

test('until each of the others has spoken, and when one has been quiet for too long, nothing is known', () => {
  const elsewhere = new LongElsewhere(2);
  elsewhere.note(1, over([]), 0);
  assert.equal(elsewhere.longest('a', 0), Number.POSITIVE_INFINITY);
  elsewhere.note(2, over([['a', 40_000]]), 1_000);
  assert.equal(elsewhere.longest('a', 1_000), 40_000);
  assert.equal(elsewhere.longest('b', 1_000), 0);
  assert.equal(elsewhere.longest('b', 3 * STATE_MS + 1), Number.POSITIVE_INFINITY);
});

test('the longest counts, grows while nobody speaks, and unknown ones stay unknown over the channel', () => {
  const elsewhere = new LongElsewhere(2);
  elsewhere.note(
    1,
    over([
      ['a', 50_000],
      ['b', Number.POSITIVE_INFINITY],
    ]),
    0,
  );
  elsewhere.note(2, over([['a', 40_000]]), 0);
  assert.equal(elsewhere.longest('a', 10_000), 60_000);
  assert.equal(elsewhere.longest('b', 10_000), Number.POSITIVE_INFINITY);
});

test('a void statement says that nothing is known', () => {
  const elsewhere = new LongElsewhere(1);
  elsewhere.note(1, over([]), 0);
  assert.equal(elsewhere.longest('a', 0), 0);
  elsewhere.note(1, statementOf(undefined), 1);
  assert.equal(elsewhere.longest('a', 1), Number.POSITIVE_INFINITY);
  const many = new Map(Array.from({ length: 20_001 }, (_, n) => [`n${n}`, 1] as const));
  assert.equal(statementOf(many).nodes, undefined);
});
