import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { enospcRounds } from './enospc-rounds.ts';

after(cleanUp);

test('F-enospc, 50 times', (context) => enospcRounds(context, 50));
