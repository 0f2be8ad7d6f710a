import { test } from 'node:test';
import { killRounds } from './kill-rounds.ts';

test('F-kill, 300 times', (context) => killRounds(context, 300));
