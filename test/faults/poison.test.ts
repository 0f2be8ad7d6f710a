import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { poisonRounds } from './poison-rounds.ts';

after(cleanUp);

test('F-poison: each kind is set aside with offset and reason, everything else is applied, and every replay does the same', (context) =>
  poisonRounds(context, 1));
