/** Who a node is: contracts, "xDS names: node". */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProtoNode } from '../../src/proto/index.ts';
import { identify } from '../../src/runtime/node-identity.ts';

const node = (fields: Partial<ProtoNode>): ProtoNode =>
  ({ id: 'n1', cluster: '', metadata: {}, ...fields }) as ProtoNode;

test('metadata names service, endpoint, account and listen addresses', () => {
  const { facts, listen } = identify(
    node({
      metadata: {
        service: 'cart',
        namespace: 'shop',
        endpoint: 'cart-1',
        serviceAccount: 'cart',
        listen: { address: '10.0.0.7', outbound: 15002, inbound: 16000 },
      },
      cluster: 'other.ns',
    }),
  );
  assert.equal(facts.caller, 'cart.shop');
  assert.equal(facts.namespace, 'shop');
  assert.equal(facts.endpoint, 'cart-1');
  assert.equal(facts.serviceAccount, 'cart');
  assert.deepEqual(listen, { address: '10.0.0.7', outbound: 15002, inbound: 16000 });
});

test('else node.cluster, else the id', () => {
  assert.equal(identify(node({ cluster: 'web.shop' })).facts.caller, 'web.shop');
  const fromId = identify(node({ id: 'sidecar~web-7~web.shop' })).facts;
  assert.equal(fromId.caller, 'web.shop');
  assert.equal(fromId.endpoint, 'web-7');
});

test('a node that does not say who it is, or says nonsense, is the anonymous caller', () => {
  const { facts, listen } = identify(
    node({
      id: 'x',
      cluster: 'not a service',
      metadata: { service: 'UPPER', listen: { address: 'host', outbound: 99_999 } },
    }),
  );
  assert.equal(facts.caller, 'unknown.default');
  assert.deepEqual(listen, { address: '127.0.0.1', outbound: 15001, inbound: undefined });
});

test('the drain time is what metadata say, in ms; nonsense is left out', () => {
  const drainOf = (drainTimeMs: ProtoNode['metadata'][string]): number | undefined =>
    identify(node({ metadata: { drainTimeMs } })).facts.drainMs;
  assert.deepEqual([5_000, 0, 86_400_000].map(drainOf), [5_000, 0, 86_400_000]);
  assert.deepEqual([null, '5s', -1, Number.NaN, 86_400_001].map(drainOf), Array(5).fill(undefined));
});
