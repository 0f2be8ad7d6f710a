/** What a gRPC application without a proxy is answered, over the real read model; all of it as the real client reads it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeView } from '../../src/delta-xds/index.ts';
import { contentVersion, type ProtoNode } from '../../src/proto/index.ts';
import { GrpcForms } from '../../src/runtime/grpc-forms.ts';
import { MeshSource } from '../../src/runtime/mesh-source.ts';
import { chosen, taken } from '../compile/grpc/client.ts';
import { feed, openModel, tempDir, withSystem } from '../projector/harness.ts';
import { endpoint, event, policy, registered, route } from '../projector/mesh-events.ts';

const node = (service: string, userAgentName = 'gRPC Node Pure JS'): ProtoNode => ({
  id: `grpc~1~${service}`,
  cluster: service,
  metadata: {},
  locality: { region: '', zone: '', subzone: '' },
  userAgentName,
  clientFeatures: [],
});

/** Where calls to the target go, and how many endpoints are there. */
const way = (view: NodeView, target: string): readonly [cluster: string | undefined, endpoints: number] => {
  const body = (type: 'lds' | 'rds' | 'cds' | 'eds', name: string): Uint8Array => {
    const found = view.get(type, name);
    assert.ok(found !== undefined, `${type} ${name} does not exist`);
    assert.equal(found.version, contentVersion([found.body]));
    assert.equal(taken(type, found.body).name, name);
    return found.body;
  };
  body('lds', target);
  const cluster = chosen(taken('rds', body('rds', target)).value.virtual_hosts[0].routes, '/shop.Cart/Add');
  assert.ok(cluster !== undefined);
  body('cds', cluster);
  const { endpoints } = taken('eds', body('eds', cluster)).value;
  return [cluster, endpoints.flatMap((each: { lb_endpoints: readonly unknown[] }) => each.lb_endpoints).length];
};

test('what it may call has endpoints; all else is empty, and looks alike', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const ports = [
      { port: 80, protocol: 'grpc' as const },
      { port: 6379, protocol: 'tcp' as const },
    ];
    for (const name of ['cart', 'stock']) await feed(system, registered(name, { ports }), endpoint(name, `${name}-1`));
    await feed(system, registered('inner', { ports, visibility: 'namespace' }), endpoint('inner', 'inner-1'));
    await feed(
      system,
      policy('Dependency', 'strict', { scope: { service: 'strict' }, to: { 'cart.shop': {} }, learn: false }),
      event('dependency.denied', { from: 'barred.shop', to: 'cart.shop' }),
    );
    const model = await openModel(dir);
    const source = new MeshSource(model);
    const web = source.attach(node('web.shop'), 'sotw');

    assert.deepEqual(way(web, 'cart.shop:80'), ['cart.shop:80', 1]);
    assert.deepEqual(way(web, 'inner.shop:80'), ['inner.shop:80', 1]);
    assert.deepEqual(way(web, 'never.shop:80'), ['never.shop:80', 0]);
    assert.deepEqual(way(web, 'cart.shop:81'), ['cart.shop:81', 0], 'a port that is not there');
    assert.equal(way(web, 'cart.shop:6379')[1], 0, 'a port that is not HTTP');
    assert.deepEqual(way(source.attach(node('web.other'), 'sotw'), 'inner.shop:80'), ['inner.shop:80', 0]);
    assert.deepEqual(way(source.attach(node('barred.shop'), 'sotw'), 'cart.shop:80'), ['cart.shop:80', 0]);
    const strict = source.attach(node('strict.shop'), 'sotw');
    assert.deepEqual(way(strict, 'cart.shop:80'), ['cart.shop:80', 1]);
    assert.equal(way(strict, 'stock.shop:80')[1], 0, 'it may not learn');

    // Names of another form do not exist, nor does anything that an Envoy has besides.
    for (const name of ['cart', 'cart.shop', 'cart.shop:80/v1', 'outbound', 'Cart.shop:80', '']) {
      assert.equal(web.get('lds', name), undefined, name);
      assert.equal(web.get('rds', name), undefined, name);
    }
    for (const name of ['local', 'inbound:80', 'cart.shop'])
      for (const type of ['cds', 'eds']) assert.equal(web.get(type, name), undefined, `${type} ${name}`);
    assert.equal(web.get('vhds', 'cart.shop:80'), undefined);

    // Only what may be called is learned.
    assert.equal(web.servicePortOf('cart.shop:80'), 'cart.shop:80');
    assert.equal(web.servicePortOf('cart.shop:80/v1'), 'cart.shop:80');
    for (const name of ['cart.shop:6379', 'never.shop:80', 'nowhere'])
      assert.equal(web.servicePortOf(name), undefined, name);
    assert.equal(strict.servicePortOf('stock.shop:80'), undefined);
    await model.close();
  });
});

test('a target that appears, changes its routes and goes', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    const model = await openModel(dir);
    const view = new MeshSource(model).attach(node('web.shop'), 'sotw');
    const at = async (...events: Parameters<typeof feed>[1][]): Promise<ReturnType<typeof way>> => {
      await feed(system, ...events);
      model.journalSince(0);
      return way(view, 'cart.shop:80');
    };
    const none = view.get('lds', 'cart.shop:80')?.version;
    assert.deepEqual(await at(registered('cart')), ['cart.shop:80', 0]);
    assert.deepEqual(await at(endpoint('cart', 'c-1', { labels: { v: '1' } })), ['cart.shop:80', 1]);
    assert.deepEqual(
      await at(
        policy('Upstream', 'cart', { subsets: { v1: { labels: { v: '1' } }, v2: { labels: { v: '2' } } } }),
        route('cart', { to: { v1: { weight: 1 } } }),
      ),
      ['cart.shop:80/v1', 1],
    );
    assert.deepEqual(await at(event('service.deregistered', { namespace: 'shop', name: 'cart' })), ['cart.shop:80', 0]);
    assert.equal(view.get('lds', 'cart.shop:80')?.version, none, 'a listener that never changes is never taken away');
    await model.close();
  });
});

test('the api_listener form is for gRPC clients on state-of-the-world streams alone', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await feed(system, registered('cart'));
    const model = await openModel(dir);
    const source = new MeshSource(model);
    for (const agent of ['gRPC Node Pure JS', 'gRPC Go', 'grpc-java'])
      assert.notEqual(source.attach(node('web.shop', agent), 'sotw').get('lds', 'cart.shop:80'), undefined, agent);
    for (const view of [source.attach(node('web.shop', 'envoy'), 'sotw'), source.attach(node('web.shop'), 'delta')]) {
      assert.equal(view.get('lds', 'cart.shop:80'), undefined);
      assert.notEqual(view.get('lds', 'outbound'), undefined);
    }
    await model.close();
  });
});

test('forms are made once per version, shared, and bounded', async (t) => {
  const dir = tempDir(t);
  await withSystem(dir, async (system) => {
    await feed(system, registered('cart'), endpoint('cart', 'c-1'));
    const model = await openModel(dir);
    const source = new MeshSource(model);
    const [one, two] = [source.attach(node('web.shop'), 'sotw'), source.attach(node('web.other'), 'sotw')];
    for (const type of ['cds', 'eds'] as const) {
      const form = one.get(type, 'cart.shop:80');
      assert.equal(two.get(type, 'cart.shop:80'), form, type);
      const before = form?.version;
      if (type === 'eds') {
        await feed(system, endpoint('cart', 'c-2', { address: '10.0.0.2' }));
        model.journalSince(0);
        assert.notEqual(one.get(type, 'cart.shop:80')?.version, before);
      }
    }

    const body = model.resource('eds||cart.shop:80');
    assert.ok(body !== undefined);
    const forms = new GrpcForms(1_000);
    const first = forms.of('eds', 'a', body);
    const second = forms.of('eds', 'b', body);
    assert.equal(forms.of('eds', 'a', body), first);
    for (let at = 0; at < 100; at++) {
      forms.of('eds', `more-${at}`, body);
      forms.of('eds', 'a', body);
      assert.ok(forms.bytes <= 1_000);
    }
    assert.equal(forms.of('eds', 'a', body), first, 'used all the time, so kept');
    assert.notEqual(forms.of('eds', 'b', body), second, 'not used, so made anew');
    assert.deepEqual(forms.of('eds', 'b', body), second);
    await model.close();
  });
});
