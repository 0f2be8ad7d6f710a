import { test } from 'node:test';
import { simulateSeeds } from './seeds.ts';

test('I1 to I8 hold in 500 simulated meshes with crashes, power cuts, full disks and broken networks', (t) =>
  simulateSeeds(t, 1, 500));
