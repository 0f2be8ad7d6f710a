/** Issue 5, section 1.2, with the real Envoy: what sidecars log becomes evidence in the graph, for their own service alone. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { callGrpc, callHttp } from '../support/clients.ts';
import { requirePart } from '../support/parts.ts';
import { eventually, type Mesh, serviceEvents, startMesh } from './harness.ts';
import { Toys } from './toys.ts';

const VIRTUAL_HOST = 'type.googleapis.com/envoy.config.route.v3.VirtualHost';

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly port?: number;
  readonly evidence: readonly string[];
}

suite('use', { skip: requirePart('envoy') }, () => {
  const toys = new Toys();
  let mesh: Mesh;

  before(async () => {
    mesh = await startMesh();
  });
  after(async () => {
    await mesh?.stop();
    await toys.close();
  });

  const edgesOf = async (caller: string): Promise<readonly Edge[]> => {
    const { body } = await mesh.request('GET', `/v1/graph?focus=${caller}&depth=1`);
    return (body.edges as readonly Edge[]).filter(({ from }) => from === caller);
  };
  /** Service ports whose use by this caller was seen. */
  const observed = async (caller: string): Promise<readonly string[]> =>
    (await edgesOf(caller))
      .filter(({ evidence }) => evidence.includes('observed'))
      .map(({ to, port }) => `${to}:${port}`)
      .sort();
  const metric = (name: string): Promise<number> => mesh.metric(name);

  test('HTTP, gRPC, a service without endpoints, an answer of the sidecar itself: all are uses', async () => {
    const [web, rpc] = [await toys.http('web'), await toys.grpc('rpc')];
    await mesh.events(
      ...serviceEvents('web', [{ port: 80, protocol: 'http' }], [{ id: 'web-1', ports: { 80: web.port } }]),
      ...serviceEvents('rpc', [{ port: 9000, protocol: 'grpc' }], [{ id: 'rpc-1', ports: { 9000: rpc.port } }]),
      ...serviceEvents('empty', [{ port: 80, protocol: 'http' }], []),
      ...serviceEvents('own-answer', [{ port: 80, protocol: 'http' }], []),
      {
        // A route without a name and without a cluster: the authority alone tells who was called.
        type: 'resource.put',
        data: {
          typeUrl: VIRTUAL_HOST,
          name: 'outbound/own-answer.default:80',
          resource: {
            '@type': VIRTUAL_HOST,
            name: 'outbound/own-answer.default:80',
            domains: ['own-answer.default', 'own-answer.default:80'],
            routes: [{ match: { prefix: '/' }, directResponse: { status: 418 } }],
          },
        },
      },
    );
    const sidecar = await mesh.sidecar({ service: 'caller.default' });
    const { outboundPort: port } = sidecar;
    assert.equal((await callHttp({ port, authority: 'web.default' })).status, 200);
    assert.equal((await callGrpc({ port, authority: 'rpc.default:9000', message: 'x' })).code, 0);
    assert.equal((await callHttp({ port, authority: 'empty.default' })).status, 503);
    assert.equal((await callHttp({ port, authority: 'OWN-answer.default' })).status, 418);
    const wanted = ['empty.default:80', 'own-answer.default:80', 'rpc.default:9000', 'web.default:80'];
    await eventually('all four are observed', async () => (await observed('caller.default')).join() === wanted.join());
    assert.ok((await metric('tendril_als_entries_total')) >= 4);
    assert.ok((await metric('tendril_als_streams')) >= 1);
    assert.equal(await metric('tendril_als_malformed_total'), 0);
    assert.equal(await metric('tendril_als_refused_total'), 0);
    await sidecar.assertHealthy();
  });

  test('foreign hosts, denied and invisible services make no edge, and are counted', async () => {
    const app = await toys.http('hidden');
    const ports = [{ port: 80, protocol: 'http' }];
    const endpoints = (id: string) => [{ id, ports: { 80: app.port } }];
    await mesh.events(
      ...serviceEvents('open', ports, endpoints('open-1')),
      ...serviceEvents('denied', ports, endpoints('denied-1')),
      ...serviceEvents('hidden', ports, endpoints('hidden-1'), { namespace: 'other', visibility: 'namespace' }),
      { type: 'dependency.denied', data: { from: 'spy.default', to: 'denied.default' } },
    );
    const before = await metric('tendril_als_foreign_total');
    const sidecar = await mesh.sidecar({ service: 'spy.default' });
    const status = async (authority: string): Promise<number> =>
      (await callHttp({ port: sidecar.outboundPort, authority })).status;
    const strange = ['www.example.com', 'denied.default', 'denied.default:80', 'hidden.other', `${'a'.repeat(300)}.b`];
    for (const authority of strange) assert.equal(await status(authority), 404, authority);
    assert.equal(await status('open.default'), 200);
    await eventually('the allowed one is observed', async () => (await observed('spy.default')).length > 0);
    await eventually(
      'the others are counted',
      async () => (await metric('tendril_als_foreign_total')) === before + strange.length,
    );
    assert.deepEqual(await observed('spy.default'), ['open.default:80']);
    assert.deepEqual(
      (await edgesOf('spy.default')).filter(({ evidence }) => evidence.length > 0).map(({ to }) => to),
      ['open.default'],
    );
  });
});
