import { test } from 'node:test';
import { clocklessRounds, clockRounds, keeperRounds } from './clock-rounds.ts';

test('F-clock: whatever the clock does, the time of the log never goes back, and an event that comes again is known', (context) =>
  clockRounds(context, 200));

test('F-clock: a replay, and all that is compiled from it, reads no clock and no random number', (context) =>
  clocklessRounds(context, 1_500));

test('F-clock: jumps of an hour, a clock that goes back, one that runs twice as fast: no edge in use expires', (context) =>
  keeperRounds(context, 400));
