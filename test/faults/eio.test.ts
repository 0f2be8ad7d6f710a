import { test } from 'node:test';
import { eioRounds } from './eio-rounds.ts';

test('F-eio: the n-th call to the disk fails: an error, no acknowledgement, and everything acknowledged is there', (context) =>
  eioRounds(context, 3));
