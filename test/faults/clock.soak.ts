import { test } from 'node:test';
import { clocklessRounds, clockRounds, keeperRounds } from './clock-rounds.ts';

test('F-clock, 5,000 moves', (context) => clockRounds(context, 5_000));

test('F-clock, a replay of 20,000 events', (context) => clocklessRounds(context, 20_000));

test('F-clock, 5,000 minutes of the edge keeper', (context) => keeperRounds(context, 5_000));
