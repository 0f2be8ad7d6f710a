/** With 600 services; `renewal.soak.ts` has 3,000. */
import { suite, test } from 'node:test';
import { requirePart } from '../support/parts.ts';
import { renewalRounds } from './renewal-rounds.ts';

const SERVICES = Number(process.env.TENDRIL_RENEWAL_SERVICES ?? 600);

suite('renewal', { skip: requirePart('envoy') }, () => {
  test(`${SERVICES} services called once, then quiet: Envoy gives them up, and nobody sees an error`, (t) =>
    renewalRounds(t, SERVICES, 1));
});
