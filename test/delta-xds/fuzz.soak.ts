import { test } from 'node:test';
import { fuzzRounds, socketFuzzRounds } from './fuzz-rounds.ts';

test('1,000,000 mutated requests: no defect shows, nothing stays', (t) => fuzzRounds(t, 1_000_000));

test('200,000 mutated requests over sockets: the control plane lives, nothing stays, others are served', (t) =>
  socketFuzzRounds(t, 200_000));
