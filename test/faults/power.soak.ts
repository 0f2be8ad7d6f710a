import { test } from 'node:test';
import { powerRounds } from './power-rounds.ts';

test('F-power, 1,000 images', (context) => powerRounds(context, 1_000));
