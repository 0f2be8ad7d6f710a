import { test } from 'node:test';
import { killRounds } from './kill-rounds.ts';

test('F-kill of the state, 200 times', (context) => killRounds(context, 200, 10));
