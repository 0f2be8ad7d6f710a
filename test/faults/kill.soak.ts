import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { killRounds } from './kill-rounds.ts';

after(cleanUp);

test('F-kill, 200 times', (context) => killRounds(context, 200));
