import { test } from 'node:test';
import { readerRounds } from './reader-rounds.ts';

test('F-reader, 2,000 readers', (context) => readerRounds(context, 2_000));
