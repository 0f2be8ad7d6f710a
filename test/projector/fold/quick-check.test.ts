import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { eventSchemas } from '../../../src/model/index.ts';
import { dataProblem } from '../../../src/projector/fold/data-rules.ts';
import { isPlainEndpoint, isPlainEndpointRef } from '../../../src/projector/fold/quick-check.ts';

const checkers = {
  'endpoint.registered': Compile(eventSchemas['endpoint.registered']),
  'endpoint.health-changed': Compile(eventSchemas['endpoint.health-changed']),
  'endpoint.deregistered': Compile(eventSchemas['endpoint.deregistered']),
};

const junk = fc.oneof(
  fc.constantFrom(
    null,
    true,
    0,
    -1,
    1.5,
    65536,
    Number.NaN,
    '',
    '-',
    'A',
    'a-',
    '-a',
    'a.b',
    'é',
    '1.2.3',
    '01.2.3.4',
    '::1',
    [],
    {},
  ),
  fc.string(),
  fc.integer(),
  fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer())),
);
const label = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/) },
  { weight: 1, arbitrary: junk },
);
const address = fc.oneof(
  { weight: 8, arbitrary: fc.ipV4() },
  { weight: 1, arbitrary: fc.ipV6() },
  { weight: 1, arbitrary: junk },
);
const portKey = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 65535 }).map(String) },
  fc.constantFrom('0', '080', '65536', 'x', ''),
);
const portMap = fc.oneof(
  { weight: 8, arbitrary: fc.dictionary(portKey, fc.integer({ min: 0, max: 65536 }), { maxKeys: 3 }) },
  { weight: 1, arbitrary: junk },
);
const labelKey = fc.oneof(fc.string({ maxLength: 64 }), fc.constantFrom('__proto__', 'constructor', 'app'));
const labels = fc.oneof(
  { weight: 8, arbitrary: fc.dictionary(labelKey, fc.string(), { maxKeys: 3 }) },
  { weight: 1, arbitrary: junk },
);
const locality = fc.oneof(
  { weight: 8, arbitrary: fc.record({ region: fc.string(), zone: fc.string() }, { requiredKeys: [] }) },
  { weight: 1, arbitrary: junk },
);
const health = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('healthy', 'unhealthy', 'draining') },
  { weight: 1, arbitrary: junk },
);
const id = fc.oneof({ weight: 8, arbitrary: fc.string({ maxLength: 20 }) }, { weight: 1, arbitrary: junk });

const endpoint = fc.record(
  {
    namespace: label,
    service: label,
    id,
    address,
    ports: portMap,
    inbound: portMap,
    labels,
    locality,
    weight: fc.oneof(fc.integer({ min: 0, max: 65536 }), junk),
    health,
    serviceAccount: label,
    surprise: fc.constant(1),
  },
  { requiredKeys: ['namespace', 'service', 'id', 'address'] },
);
const ref = fc.record(
  { namespace: label, service: label, id, health },
  { requiredKeys: ['namespace', 'service', 'id'] },
);

const isGood = (type: keyof typeof checkers, data: unknown): boolean =>
  checkers[type].Check(data) && dataProblem(type, data) === undefined;

test('what is quickly accepted fits schema and rules', () => {
  let accepted = 0;
  fc.assert(
    fc.property(endpoint, ref, (data, reference) => {
      if (isPlainEndpoint(data)) {
        accepted += 1;
        assert.ok(isGood('endpoint.registered', data));
      }
      if (isPlainEndpointRef(reference, true)) assert.ok(isGood('endpoint.health-changed', reference));
      if (isPlainEndpointRef(reference, false)) assert.ok(isGood('endpoint.deregistered', reference));
    }),
    { numRuns: 5000 },
  );
  assert.ok(accepted > 10, `${accepted} accepted`);
});

test('ordinary endpoints are quickly accepted', () => {
  const plain = { namespace: 'default', service: 'cart-1', id: 'pod/a b', address: '10.255.0.1' };
  const full = {
    ...plain,
    ports: { 80: 8080 },
    inbound: { 80: 15006 },
    labels: { 'app.kubernetes.io/name': 'cart' },
    locality: { region: 'eu', zone: 'a', subzone: '1' },
    weight: 0,
    health: 'draining',
    serviceAccount: 'cart',
  };
  assert.ok(isPlainEndpoint(plain) && isPlainEndpoint(full));
  assert.ok(isPlainEndpointRef({ namespace: 'a', service: 'b', id: 'c' }, false));
  assert.ok(isPlainEndpointRef({ namespace: 'a', service: 'b', id: 'c', health: 'healthy' }, true));
  for (const bad of [null, 1, 'x', [], {}, { ...plain, address: '::1' }]) assert.ok(!isPlainEndpoint(bad));
});
