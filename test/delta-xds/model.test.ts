/**
 * Model check: any interleaving of questions, ACKs, NACKs, changes, reconnects and full transports ends with the client holding what
 * the mesh says (S1), nothing sent that is neither wanted nor asked for (S2), no question open (S3), no domain twice or lost on its way
 * (S8); and so with generations that are renewed in between (S13 to S15, R2 to R4). Server side: the real hub and sessions; client side: an Envoy as measured.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Op, opArbitrary, renewalOpArbitrary } from './support/model-ops.ts';
import { run } from './support/model-world.ts';

const RUNS = Number(process.env.XDS_MODEL_RUNS ?? 300);

test('any interleaving without refusals ends with the client holding what the mesh says (S1 to S6, S8 to S12)', () => {
  fc.assert(
    fc.property(fc.array(opArbitrary(false), { minLength: 5, maxLength: 120 }), (ops) => void run(ops, false)),
    { numRuns: RUNS },
  );
});

for (const portion of [1, 2])
  test(`the same when a pass looks at no more than ${portion} of the names of a type, and the rest waits (S1 to S12)`, () => {
    fc.assert(
      fc.property(
        fc
          .boolean()
          .chain((refusals) =>
            fc.tuple(fc.constant(refusals), fc.array(opArbitrary(refusals), { minLength: 5, maxLength: 120 })),
          ),
        ([refusals, ops]) => void run(ops, refusals, false, portion),
      ),
      { numRuns: RUNS },
    );
  });

test('any interleaving with refusals ends the same, but for what was refused (S7)', () => {
  fc.assert(
    fc.property(fc.array(opArbitrary(true), { minLength: 5, maxLength: 120 }), (ops) => void run(ops, true)),
    { numRuns: RUNS },
  );
});

for (const refusals of [false, true])
  test(`generations are renewed in any interleaving${refusals ? ' with refusals' : ''} (S13 to S15, R2 to R4)`, () => {
    let renewals = 0;
    fc.assert(
      fc.property(fc.array(renewalOpArbitrary(refusals), { minLength: 20, maxLength: 160 }), (ops) => {
        renewals += run(ops, refusals, true);
      }),
      { numRuns: RUNS },
    );
    assert.ok(renewals > RUNS / 10, `only ${renewals} renewals in ${RUNS} runs: the check looks at nothing`);
  });

test('a service comes back while its cluster is on its way out, and the client lets go of an assignment that is on its way in', () => {
  const ops: readonly Op[] = [
    { do: 'gone', service: 3 },
    { do: 'replica' },
    { do: 'up', count: 4 },
    { do: 'down', count: 3 },
    { do: 'up', count: 1 },
    { do: 'cluster-call', service: 4 },
    { do: 'up', count: 1 },
    { do: 'gone', service: 0 },
    { do: 'up', count: 3 },
    { do: 'service', service: 3, canary: false, roaming: 0 },
  ];
  run(ops, false, true);
});
