import { suite, test } from 'node:test';
import { requirePart } from '../support/parts.ts';
import { renewalRounds } from './renewal-rounds.ts';

suite('renewal', { skip: requirePart('envoy') }, () => {
  test('3,000 services called once, then quiet, twice: Envoy gives them up, nobody sees an error, nothing adds up', (t) =>
    renewalRounds(t, 3_000, 2));
});
