/** Issue 4, section 1.4: Envoy resources of the operator's own, beside and over what Tendril compiles. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { freePort } from '../support/ports.ts';
import { type EventInput, eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import type { Sidecar } from './sidecar.ts';
import { Toys } from './toys.ts';

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

const put = (typeUrl: string, name: string, resource: object, more: object = {}): EventInput => ({
  type: 'resource.put',
  data: { typeUrl, name, resource: { '@type': typeUrl, name, ...resource }, ...more },
});

const gone = (typeUrl: string, name: string): EventInput => ({ type: 'resource.delete', data: { typeUrl, name } });

/** A listener that sends everything to one cluster. */
const listener = (port: number, cluster: string): object => ({
  address: { socketAddress: { address: '127.0.0.1', portValue: port } },
  filterChains: [
    {
      filters: [
        {
          name: 'http',
          typedConfig: {
            '@type': HCM,
            statPrefix: 'raw',
            routeConfig: {
              name: 'raw',
              virtualHosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster } }] }],
            },
            httpFilters: [{ name: 'router', typedConfig: { '@type': ROUTER } }],
          },
        },
      ],
    },
  ],
});

const cluster = (name: string, port: number): object => ({
  type: 'STATIC',
  connectTimeout: '1s',
  loadAssignment: {
    clusterName: name,
    endpoints: [
      { lbEndpoints: [{ endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue: port } } } }] },
    ],
  },
});

suite('raw resources', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;
  let sidecar: Sidecar;
  let other: Sidecar;
  let port: number;

  before(async () => {
    mesh = await startMesh();
    port = await freePort();
    const { port: backend } = await toys.http('cart');
    await mesh.events(
      ...serviceEvents('cart', [{ port: 80, protocol: 'http' }], [{ id: 'cart-1', ports: { 80: backend } }]),
    );
    sidecar = await mesh.sidecar({ service: 'web.default', id: 'web-1' });
    other = await mesh.sidecar({ service: 'batch.default', id: 'batch-1' });
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  const call = async (authority: string, at = sidecar.outboundPort): Promise<string> => {
    const { status, headers } = await callHttp({ port: at, authority }).catch(() => ({
      status: 0,
      headers: {} as Record<string, unknown>,
    }));
    return status === 200 ? String(headers['x-backend']) : String(status);
  };

  test('a listener and a cluster that no service owns are part of the wildcard of their node, and of no other', async () => {
    const legacy = await toys.http('legacy');
    await mesh.events(
      put(CLUSTER, 'legacy', cluster('legacy', legacy.port), { node: 'web-1' }),
      put(LISTENER, 'legacy', listener(port, 'legacy'), { node: 'web-1', version: 'week-48' }),
    );
    await eventually('the raw listener serves', async () => (await call('anything', port)) === 'legacy');
    assert.deepEqual((await sidecar.holds()).clusters, ['legacy']);
    await other.quiet();
    assert.deepEqual((await other.holds()).clusters, []);
    await mesh.events(gone(LISTENER, 'none'), { type: 'resource.clear', data: { node: 'web-1' } });
    await eventually('it is gone', async () => (await call('anything', port)) === '0');
    await eventually('and its cluster', async () => (await sidecar.holds()).clusters.length === 0);
  });

  test('over a compiled cluster it wins for whoever may hold that; when it goes, the compiled one is back', async () => {
    assert.equal(await call('cart.default'), 'cart');
    const canary = await toys.http('raw-cart');
    await mesh.events(put(CLUSTER, 'cart.default:80', cluster('cart.default:80', canary.port)));
    await eventually('the raw cluster wins', async () => (await call('cart.default')) === 'raw-cart');
    await mesh.events(gone(CLUSTER, 'cart.default:80'));
    await eventually('the compiled cluster is back', async () => (await call('cart.default')) === 'cart');
    await sidecar.assertHealthy();
  });

  test('bad ones are refused before anything is appended, with the place', async () => {
    const answer = await mesh.request('POST', '/v1/events', {
      events: [put(CLUSTER, 'bad', { connectTimeout: 'soon' })],
    });
    assert.equal(answer.status >= 400 && answer.status < 500, true, JSON.stringify(answer));
    assert.match(JSON.stringify(answer.body), /connectTimeout/);
  });
});
