import assert from 'node:assert/strict';
import { test } from 'node:test';
import { damageCopies } from './damage-images.ts';

test('F-corrupt: 500 flipped bits and 500 cut files', async (context) => {
  const { refused } = await damageCopies(context, 500, 500);
  assert.ok(refused >= 700, 'most of the file is in use: most damage must be found');
});
