import { test } from 'node:test';
import { cycleRounds } from './cycle-rounds.ts';

test('10,000 clients connect, subscribe and go, two times: the heap stays', (t) => cycleRounds(t, 2));
