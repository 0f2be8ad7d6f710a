/**
 * Model check of state-of-the-world streams: any interleaving of requests, ACKs, NACKs, changes, reconnects and full transports ends
 * with the client holding what the mesh says of the names it wants (W1, W2), no cluster warming (W8), no version gone back, and nothing
 * sent that was not asked for (W7). Server side: the real hub and sessions.
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { stateOpArbitrary } from './support/model-state-ops.ts';
import { runState } from './support/model-state-world.ts';

const RUNS = Number(process.env.XDS_MODEL_RUNS ?? 300);
const ops = (refusals: boolean) => fc.array(stateOpArbitrary(refusals), { minLength: 5, maxLength: 100 });

test('any interleaving without refusals ends with the client holding what the mesh says (W1, W2, W7, W8)', () => {
  fc.assert(
    fc.property(ops(false), (list) => runState(list, false)),
    { numRuns: RUNS },
  );
});

test('any interleaving with an Envoy that refuses ends the same, but for what was refused (W6)', () => {
  fc.assert(
    fc.property(ops(true), (list) => runState(list, true)),
    { numRuns: RUNS },
  );
});

test('any interleaving with a gRPC client, that takes the good part of what it refuses, ends the same (W6)', () => {
  fc.assert(
    fc.property(ops(true), (list) => runState(list, true, true)),
    { numRuns: RUNS },
  );
});
