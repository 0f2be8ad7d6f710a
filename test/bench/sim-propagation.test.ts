/** What did not arrive (P1): coalesced only where a later change of the same endpoint was posted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Propagation } from '../../bench/sim/propagation.ts';
import { figuresOf } from '../../bench/sim/report/figures.ts';
import { simResult } from './sim-result.ts';

test('P1 a delivery that nothing overtook never arrived, and is told as that', () => {
  const propagation = new Propagation();
  propagation.posted(1, 0, 2);
  propagation.posted(2, 10, 2);
  propagation.overtaken(1);
  propagation.posted(3, 20, 2);
  propagation.arrived(2, 15);
  propagation.arrived(2, 16);
  propagation.arrived(3, 25);
  const figures = propagation.figures();
  assert.deepEqual([figures?.expected, figures?.arrived, figures?.coalesced], [6, 3, 2]);
  assert.deepEqual([propagation.coalescedBetween(0, 5), propagation.coalescedBetween(5, 30)], [2, 0]);
  assert.ok(figures);
  const found = figuresOf({ ...simResult(), churn: figures }).find(({ name }) => name === 'never arrived');
  assert.equal(found?.value, 1);
});
