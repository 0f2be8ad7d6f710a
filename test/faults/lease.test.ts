import { test } from 'node:test';
import { leaseClockRounds, stormRounds } from './lease-rounds.ts';

test('F-lease-storm: all heartbeats of 1,000 leases stop: at most half of each service goes, also over a restart', (context) =>
  stormRounds(context));

test('F-clock: the wall clock jumps and the process stands still: no lease that is renewed expires', (context) =>
  leaseClockRounds(context, 200));
