/** Own resources without their bytes: the same bytes whenever they are asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileOwn, type OwnInputs } from '../../src/compile/index.ts';
import { OwnSets } from '../../src/runtime/own-sets.ts';

const inputsOf = (at: number): OwnInputs => ({
  caller: `svc-${at}.shop`,
  namespace: 'shop',
  serviceAccount: undefined,
  listen: { address: '127.0.0.1', outbound: 15_001, inbound: 15_006 },
  onDemand: true,
  service: undefined,
  endpoint: undefined,
  tcp: [{ servicePort: 'db.shop:5432', localPort: 5432 }],
});

test('versions are kept, bodies of those made last; any other is made again, the same', () => {
  const sets = new OwnSets();
  const first = sets.get(inputsOf(0));
  assert.equal(sets.get(inputsOf(0)), first, 'the same inputs have the same set');
  assert.deepEqual(first.names, { lds: ['outbound', 'tcp/db.shop:5432'], cds: [] });
  assert.ok(first.listeners.get('outbound')?.body.length);
  assert.equal(sets.made, 0, 'about to be sent: at hand');
  for (let at = 1; at < 400; at++) sets.get(inputsOf(at));
  for (const [name, expected] of compileOwn(inputsOf(0)).listeners) {
    const kept = first.listeners.get(name);
    assert.equal(kept?.version, expected.version);
    assert.deepEqual(Buffer.from(kept?.body ?? []), Buffer.from(expected.body));
    assert.equal(kept?.body.buffer.byteLength, expected.body.length, 'no slice of a larger piece of memory');
  }
  assert.equal(sets.made, 1, 'made again once for all of its listeners');
});
