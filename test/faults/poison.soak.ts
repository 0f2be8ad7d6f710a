import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { poisonRounds } from './poison-rounds.ts';

after(cleanUp);

test('F-poison, 20 of each kind', (context) => poisonRounds(context, 20));
