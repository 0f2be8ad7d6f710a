import { test } from 'node:test';
import { powerRounds } from './power-rounds.ts';

test('F-power: 12 images of power cuts over a traced log and state', (context) => powerRounds(context, 12));
