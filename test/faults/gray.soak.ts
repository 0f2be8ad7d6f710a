import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { grayRounds } from './gray-rounds.ts';

after(cleanUp);

test('F-gray, 20 times', (context) => grayRounds(context, 20));
