import { test } from 'node:test';
import { corruptRounds } from './corrupt-rounds.ts';

test('F-corrupt: 50 images of a damaged log or state: served as before or not at all, and verify finds what is wrong', (context) =>
  corruptRounds(context, 50));
