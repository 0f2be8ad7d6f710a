import { test } from 'node:test';
import { fuzzRounds, socketFuzzRounds } from './fuzz-rounds.ts';

test('100,000 mutated requests: no defect shows, nothing stays', (t) => fuzzRounds(t, 100_000));

test('20,000 mutated requests over sockets: the control plane lives, nothing stays, others are served', (t) =>
  socketFuzzRounds(t, 20_000));
