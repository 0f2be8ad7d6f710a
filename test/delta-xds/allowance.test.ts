/** How fast a node may ask for what nobody answers. Time is what the test says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Allowance } from '../../src/delta-xds/allowance.ts';

test('what was saved may be asked at once, and no more than that', () => {
  const allowance = new Allowance(1_000, 10_000, 0);
  assert.equal(allowance.spend(10_000, 0), 0);
  assert.equal(allowance.spend(1, 0), 1, 'one more: in the time that one takes');
  assert.equal(allowance.spend(500, 1), 501);
});

test('silence saves up to the bound; a debt is paid before', () => {
  const allowance = new Allowance(100, 200, 0);
  assert.equal(allowance.spend(400, 0), 2_000);
  assert.equal(allowance.spend(0, 2_000), 2_000, 'the time named is enough');
  assert.equal(allowance.spend(200, 1_000_000), 1_000_000);
  assert.equal(allowance.spend(1, 1_000_000), 1_000_010, 'a long silence is worth no more than the bound');
});

test('who saves less than a second is worth may still use a second', () => {
  assert.equal(new Allowance(1_000, 0, 0).spend(1_000, 0), 0);
});
