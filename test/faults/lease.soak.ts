import { test } from 'node:test';
import { leaseClockRounds } from './lease-rounds.ts';

test('F-clock: the wall clock jumps and the process stands still: no lease that is renewed expires', (context) =>
  leaseClockRounds(context, 20_000));
