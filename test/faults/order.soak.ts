import { test } from 'node:test';
import { dupRounds, orderRounds, tornRounds } from './order-rounds.ts';

test('F-dup, 300 logs', (context) => dupRounds(context, 300));

test('F-order, 300 meshes', (context) => orderRounds(context, 300));

test('F-order, 500 torn batches', (context) => tornRounds(context, 500));
