/** What the agent says about a withdrawal (src/agent/sayings.ts): only what it knows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sayDrained } from '../../src/agent/sayings.ts';

const NOTHING = { withdrawn: false, remains: false, acknowledged: false, waiting: [], silent: [], tookMs: 7 };

test("what was not withdrawn: not registered, another process's, or left to run out", () => {
  assert.match(sayDrained(NOTHING, {}), /is not registered: there is nothing to withdraw$/);
  assert.match(sayDrained(NOTHING, { takenBy: 'x' }), /belongs to another process/);
  const left = { ...NOTHING, remains: true };
  assert.match(sayDrained(left, {}), /should the registration have arrived, it goes when its lease runs out$/);
  assert.match(sayDrained(left, { renewedAgoMs: 5 }), /was not withdrawn.*: it goes when its lease runs out$/);
});

test('what was withdrawn: who had not acknowledged, by name up to three', () => {
  const gone = { ...NOTHING, withdrawn: true };
  assert.match(sayDrained({ ...gone, acknowledged: true }, {}), /no sidecar holds it any more \(7 ms\)$/);
  const late = { ...gone, waiting: ['a', 'b', 'c', 'd'], silent: ['10.0.0.1:18001'] };
  assert.match(
    sayDrained(late, {}),
    /after 7 ms a, b, c and more had not acknowledged, and 10\.0\.0\.1:18001 did not answer$/,
  );
});
