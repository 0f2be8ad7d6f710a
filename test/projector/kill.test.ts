import { test } from 'node:test';
import { killRounds } from './kill-rounds.ts';

test('F-kill: a core is killed with 9 at random moments, 6 times: the state is a fold of its log, nothing visible is taken back', (context) =>
  killRounds(context, 6, 3));
