import { test } from 'node:test';
import { joinedRounds } from './joined-rounds.ts';

test('client and server session fuzzed together, 50,000 runs', (context) => joinedRounds(context, 50_000));
