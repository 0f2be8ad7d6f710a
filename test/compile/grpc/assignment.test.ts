/** Load assignments for gRPC clients, as the real client reads them: nothing it would refuse or drop in silence. */
import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type EndpointView, emptyAssignment, grpcAssignment } from '../../../src/compile/index.ts';
import {
  ClusterLoadAssignment,
  contentVersion,
  encodeCanonical,
  type ILbEndpoint,
  type ILocalityLbEndpoints,
} from '../../../src/proto/index.ts';
import { block, compileAll, endpoint, find, mesh, service } from '../support.ts';
import { taken } from './client.ts';

const NAME = 'cart.shop:80';

const compiled = (...blocks: readonly (readonly EndpointView[])[]): Uint8Array => {
  const inputs = mesh({ services: [service('cart.shop')], blocks: { 'cart.shop': blocks.map((each) => block(each)) } });
  return find(compileAll(inputs), 'eds', NAME).body;
};

/** Localities as text: `priority zone weight: address:port(weight)[!]…`, `!` for endpoints that get no calls. */
const read = (body: Uint8Array): string[] => {
  const made = grpcAssignment(body);
  assert.equal(made.version, contentVersion([made.body]));
  const { value } = taken('eds', made.body);
  // The same by our own decoder, and bytes in canonical form.
  const message = ClusterLoadAssignment.decode(made.body);
  assert.deepEqual(Buffer.from(encodeCanonical(ClusterLoadAssignment, message)), Buffer.from(made.body));
  // biome-ignore lint/suspicious/noExplicitAny: the client's own decoded form
  return value.endpoints.map(({ priority, locality, load_balancing_weight, lb_endpoints }: any) => {
    const endpoints = lb_endpoints.map(
      // biome-ignore lint/suspicious/noExplicitAny: as above
      ({ endpoint: { address }, health_status, load_balancing_weight: weight }: any) =>
        `${address.socket_address.address}:${address.socket_address.port_value}` +
        `${weight === null ? '' : `(${weight.value})`}${['UNKNOWN', 'HEALTHY'].includes(health_status) ? '' : '!'}`,
    );
    return `${priority} ${locality.zone} ${load_balancing_weight?.value}: ${endpoints.join(' ')}`;
  });
};

const raw = (...endpoints: ILocalityLbEndpoints[]): Uint8Array =>
  encodeCanonical(ClusterLoadAssignment, { clusterName: NAME, endpoints });
const at = (address: string, port = 80, fields: ILbEndpoint = {}): ILbEndpoint => ({
  endpoint: { address: { socketAddress: { address, portValue: port } } },
  ...fields,
});

describe('localities', () => {
  test('each has its message and a weight; none is left of a service without endpoints', () => {
    assert.deepEqual(read(compiled([endpoint('e1'), endpoint('e2')])), ['0  2: 10.0.0.1:80 10.0.0.2:80']);
    assert.deepEqual(read(compiled([])), []);
    assert.deepEqual(read(emptyAssignment(NAME).body), []);
    assert.equal(taken('eds', grpcAssignment(compiled([])).body).name, NAME);
  });

  test('the weight counts what can be called: zones share calls by capacity', () => {
    const zone = (name: string) => ({ locality: { region: 'eu', zone: name } });
    assert.deepEqual(
      read(
        compiled([
          endpoint('e1', { ...zone('a'), weight: 5 }),
          endpoint('e2', { ...zone('a'), weight: 3, health: 'unhealthy' }),
          endpoint('e3', { ...zone('b'), health: 'healthy' }),
          endpoint('e4', { ...zone('c'), health: 'draining' }),
        ]),
      ),
      ['0 a 5: 10.0.0.1:80(5) 10.0.0.2:80(3)!', '0 b 1: 10.0.0.3:80', '0 c 1: 10.0.0.4:80!'],
    );
  });

  test('the same locality twice is one; priorities close up; localities without endpoints go', () => {
    assert.deepEqual(
      read(
        raw(
          { priority: 7, locality: { zone: 'b' }, lbEndpoints: [at('1.1.1.1')] },
          { priority: 3, locality: { zone: 'a' }, lbEndpoints: [at('1.1.1.2')] },
          { priority: 7, locality: { zone: 'b' }, lbEndpoints: [at('1.1.1.3')] },
          { priority: 3, lbEndpoints: [at('1.1.1.4')] },
          { priority: 1, locality: { zone: 'c' }, lbEndpoints: [] },
        ),
      ),
      ['0 a 1: 1.1.1.2:80', '0  1: 1.1.1.4:80', '1 b 2: 1.1.1.1:80 1.1.1.3:80'],
    );
  });
});

describe('endpoints', () => {
  test('an address is there once, the first; another port is another address', () => {
    const same = { address: '10.1.1.1' };
    assert.deepEqual(
      read(
        compiled([
          endpoint('e1', { ...same, weight: 2 }),
          endpoint('e2', { ...same, health: 'unhealthy' }),
          endpoint('e3', { ...same, ports: { 80: 81 } }),
          endpoint('e4', { ...same, locality: { zone: 'a' } }),
        ]),
      ),
      ['0  3: 10.1.1.1:80(2) 10.1.1.1:81'],
    );
  });

  test('no weight of 0, no host name, nothing without an address', () => {
    assert.deepEqual(
      read(
        raw({
          lbEndpoints: [
            at('1.1.1.1', 80, { loadBalancingWeight: { value: 0 } }),
            at('a.example.com'),
            at('::1'),
            {},
            { endpoint: {} },
            { endpoint: { address: { pipe: { path: '/x' } } } },
          ],
        }),
      ),
      ['0  1: ::1:80'],
    );
  });

  test('sums of weights stay within 32 bits', () => {
    const most = { loadBalancingWeight: { value: 0xffffffff } };
    const lines = read(
      raw(
        { locality: { zone: 'a' }, lbEndpoints: [at('1.1.1.1', 80, most), at('1.1.1.2')] },
        { locality: { zone: 'b' }, lbEndpoints: [at('1.1.1.3', 80, most)] },
      ),
    );
    const weights = lines.map((line) => Number(/^0 . ([0-9]+):/.exec(line)?.[1]));
    assert.ok(weights.every((weight) => weight > 2 ** 30));
    assert.ok(weights.reduce((sum, weight) => sum + weight, 0) <= 0xffffffff, lines.join('; '));
    assert.match(lines[0] ?? '', /1\.1\.1\.2:80$/, 'an endpoint without a weight has none');
  });
});

test('bytes that are no assignment are refused', () => {
  assert.throws(() => grpcAssignment(Uint8Array.of(0x0a, 0x7f)), { code: 'XDS_MALFORMED' });
});

test('whatever the registry holds, the client takes it, and every usable address that is there can be called', () => {
  const view = fc.record(
    {
      address: fc.oneof(fc.constantFrom('10.0.0.1', '10.0.0.2', '::1', '2001:db8::1'), fc.ipV4(), fc.ipV6()),
      ports: fc.constantFrom({}, { 80: 8080 }, { 80: 65535 }),
      inbound: fc.constantFrom({}, { 80: 15006 }),
      locality: fc.record(
        { region: fc.constantFrom('eu', ''), zone: fc.constantFrom('a', 'b', ''), subzone: fc.constantFrom('é', '') },
        { requiredKeys: [] },
      ),
      weight: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom(127, 128, 65535)),
      health: fc.constantFrom('healthy', 'unhealthy', 'draining'),
    },
    { requiredKeys: ['address'] },
  );
  fc.assert(
    fc.property(fc.array(fc.array(view, { maxLength: 12 }), { maxLength: 3 }), (blocks) => {
      const named = blocks.map((views, index) =>
        views.map((fields, place): EndpointView => ({ id: `e${index}-${place}`, ...fields }) as EndpointView),
      );
      const lines = read(compiled(...named));
      const called = new Set(lines.flatMap((line) => line.slice(line.indexOf(': ') + 2).split(' ')));
      const expected = new Set<string>();
      for (const { address, ports, inbound, weight, health } of named.flat()) {
        assert.notEqual(isIP(address), 0);
        if (weight === 0) continue;
        const key = `${address}:${inbound?.[80] ?? ports?.[80] ?? 80}`;
        if (![...expected].some((each) => each.startsWith(`${key} `)))
          expected.add(`${key} ${weight ?? ''} ${health ?? ''}`);
      }
      assert.equal(called.size, expected.size);
      for (const line of lines) assert.ok(Number(/^0 \S* ([0-9]+):/.exec(line)?.[1]) >= 1, line);
    }),
    { numRuns: 300 },
  );
});
