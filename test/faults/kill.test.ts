import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { killRounds } from './kill-rounds.ts';

after(cleanUp);

test('F-kill: 12 times kill -9 of a serve or of its core under 16 writers', (context) => killRounds(context, 12));
