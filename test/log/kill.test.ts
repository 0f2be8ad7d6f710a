import { test } from 'node:test';
import { killRounds } from './kill-rounds.ts';

test('F-kill: a writer is killed with 9 at random moments, 20 times: nothing acknowledged is lost, no gap, no torn batch', (context) =>
  killRounds(context, 20));
