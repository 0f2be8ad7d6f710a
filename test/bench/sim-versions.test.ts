/** Versions over all holders: who has another than most has lost a push. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addVersions, mostHeld } from '../../bench/sim/client/versions.ts';

test('the version that most sidecars of all processes hold is the right one', () => {
  const [one, two] = [new Map<string, Map<string, number>>(), new Map<string, Map<string, number>>()];
  addVersions(one, [
    ['cds a', 'old'],
    ['vhds a', 'v1'],
  ]);
  addVersions(one, [['cds a', 'old']]);
  for (let sidecar = 0; sidecar < 3; sidecar++) addVersions(two, [['cds a', 'new']]);
  assert.deepEqual(
    [...mostHeld([one, two])],
    [
      ['cds a', 'new'],
      ['vhds a', 'v1'],
    ],
  );
});
