import { test } from 'node:test';
import { cacheKillRounds } from './cache-kill-rounds.ts';

test('F-kill of a client and its cache, 200 times', (context) => cacheKillRounds(context, 200));
