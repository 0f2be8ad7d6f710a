/** Who keeps the edges: H1 to H3 of src/runtime/replicas/keeper-choice.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseKeeper } from '../../../src/runtime/replicas/keeper-choice.ts';

const ask = (self: string, holder: string | undefined, silent: Readonly<Record<string, number>>) =>
  chooseKeeper({
    self,
    holderName: `${self}/now`,
    holder,
    members: Object.entries(silent).map(([id, silentMs]) => ({ id, silentMs })),
    lostMs: 30_000,
  });

test('H1: the holder goes on as long as it is heard', () => {
  assert.equal(ask('b', 'b/now', { a: 0, b: 0 }), 'mine');
  assert.equal(ask('a', 'b/now', { a: 0, b: 29_999 }), 'theirs');
});

test('H2: the first of those that are heard follows a keeper that is lost, or has left', () => {
  assert.equal(ask('b', 'a/now', { a: 30_000, b: 0, c: 5 }), 'begin');
  assert.equal(ask('c', 'a/now', { a: 30_000, b: 0, c: 0 }), 'theirs');
  assert.equal(ask('b', 'a/now', { b: 0, c: 5 }), 'begin');
  assert.equal(ask('a', undefined, { a: 0, b: 0 }), 'begin');
  assert.equal(ask('b', undefined, { a: 0, b: 0 }), 'theirs');
});

test('H2: nobody begins a term before it has joined', () => {
  assert.equal(ask('z', undefined, {}), 'theirs');
});

test('H3: another process of the same replica begins a new term', () => {
  assert.equal(ask('b', 'b/before', { a: 0, b: 0 }), 'begin');
});
