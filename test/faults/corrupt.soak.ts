import { test } from 'node:test';
import { corruptRounds } from './corrupt-rounds.ts';

test('F-corrupt, 1,000 images', (context) => corruptRounds(context, 1_000));
