import { test } from 'node:test';
import { readerRounds } from './reader-rounds.ts';

test('F-reader: 30 readers that hold a transaction are killed: their places and pages are used again', (context) =>
  readerRounds(context, 30));
