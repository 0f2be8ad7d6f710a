import { test } from 'node:test';
import { eioRounds } from './eio-rounds.ts';

test('F-eio, 150 disks', (context) => eioRounds(context, 150));
