import { after, test } from 'node:test';
import { cleanUp } from '../cli/support/tendril.ts';
import { enospcRounds } from './enospc-rounds.ts';

after(cleanUp);

test('F-enospc: a serve whose disk is full 5 times refuses writes, answers sidecars, and goes on by itself', (context) =>
  enospcRounds(context, 5));
