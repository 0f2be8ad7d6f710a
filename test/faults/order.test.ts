import { test } from 'node:test';
import { dupRounds, orderRounds, tornRounds } from './order-rounds.ts';

test('F-dup: 10 % of all appends come again: each is a duplicate, and nothing that is served differs', (context) =>
  dupRounds(context, 8));

test('F-order: several sources, each in its own order, at random between them: the same is served', (context) =>
  orderRounds(context, 8));

test('F-order: a batch that others tear apart is rejected whole, wherever it is torn; without it nothing differs', (context) =>
  tornRounds(context, 20));
