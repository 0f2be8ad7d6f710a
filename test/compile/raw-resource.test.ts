/** Raw resources that say what compile says have its bytes, versions and facts: putting one over it sends nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRawResource } from '../../src/compile/index.ts';
import { CDS, EDS, VHDS } from '../../src/proto/index.ts';
import { compileAll, endpoint, http, mesh, port, service } from './support.ts';

const URLS = { cds: CDS, eds: EDS, vhds: VHDS, local: EDS } as const;

/** The name as a field in front of the rest, as it is spliced in when a virtual host is sent. */
const withName = (name: string, tail: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([0x0a, Buffer.byteLength(name)]), Buffer.from(name), tail]);

const read = (typeUrl: string, name: string, fields: object) => {
  const resource = readRawResource(typeUrl, name, { '@type': typeUrl, ...fields });
  if ('code' in resource) return assert.fail(`${resource.pointer} ${resource.message}`);
  return resource;
};

const yaml = `kind: Route
metadata: {name: cart, namespace: shop}
spec: {timeout: 2s, to: {v1: {weight: 1}, "pay.shop:80": {weight: 1}}}
---
kind: Upstream
metadata: {name: cart, namespace: shop}
spec: {subsets: {v1: {labels: {version: v1}}}}`;

test('bytes of every compiled resource, put as they are', () => {
  const services = [service('cart.shop', { ports: [http(80), port(90, 'grpc')] }), service('pay.shop')];
  const compiled = compileAll(mesh({ services, yaml, endpoints: { 'cart.shop': [endpoint('a1'), endpoint('a2')] } }));
  let compared = 0;
  for (const { type, name, version, body, domains, clusters, eds } of compiled) {
    if (type === 'local') continue;
    compared += 1;
    const named = type === 'vhds' ? `outbound/${name}` : name;
    const bytes = type === 'vhds' ? withName(named, body) : body;
    const raw = read(URLS[type], named, { value: Buffer.from(bytes).toString('base64') });
    assert.equal(raw.version, version, `${type} ${name}`);
    assert.deepEqual([raw.domains, raw.clusters, raw.eds], [domains, clusters, eds], `${type} ${name}`);
  }
  assert.ok(compared >= 8, `${compared} resources`);
});

test('an assignment in JSON is the one that compile makes', () => {
  const services = [service('cart.shop')];
  const compiled = compileAll(mesh({ services, endpoints: { 'cart.shop': [endpoint('a1', { weight: 3 })] } }));
  const expected = compiled.find(({ type }) => type === 'eds');
  const address = { socketAddress: { address: '10.0.0.1', portValue: 80 } };
  const raw = read(EDS, 'cart.shop:80', {
    cluster_name: 'cart.shop:80',
    endpoints: [
      {
        loadBalancingWeight: 3,
        lb_endpoints: [{ endpoint: { address }, load_balancing_weight: '3' }],
      },
    ],
  });
  assert.equal(Buffer.from(raw.body).toString('hex'), Buffer.from(expected?.body ?? []).toString('hex'));
});
