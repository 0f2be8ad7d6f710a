import { test } from 'node:test';
import { powerRounds } from './power-rounds.ts';

test('F-power, 1,000 images', (context) => powerRounds(context, 1_000));

test('F-power, 200 images of a disk whose every fdatasync takes 15 ms more', (context) =>
  powerRounds(context, 200, { slowDisk: true }));
