import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { failpointRounds } from './failpoint-rounds.ts';

after(cleanUp);

test('F-failpoint, 20 times at each place', (context) => failpointRounds(context, 20));
