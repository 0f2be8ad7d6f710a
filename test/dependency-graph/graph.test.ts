import assert from 'node:assert/strict';
import { test } from 'node:test';
import { service } from '../projector/fold/story.ts';
import { Mesh } from './mesh.ts';

const named = (text: string, more: object = {}) => {
  const [name = '', namespace = ''] = text.split('.');
  return { ...service(name), namespace, ...more };
};

const meshOf = (...services: readonly string[]): Mesh => {
  const mesh = new Mesh();
  for (const name of services) mesh.send('service.registered', named(name));
  mesh.settle();
  return mesh;
};

const dependency = (mesh: Mesh, name: string, spec: object, namespace = 'default') => {
  const outcome = mesh.document('Dependency', name, spec, { namespace });
  assert.equal(outcome.status, 'applied', outcome.message);
};

const observe = (mesh: Mesh, from: string, to: string, source = 'sidecar:1') =>
  mesh.send('dependency.observed', { from, to, evidence: 'subscribed' }, { source });

test('a caller without own record is served by defaults', () => {
  const mesh = meshOf('web.default', 'otel.infra', 'cart.shop');
  dependency(mesh, 'everybody', { scope: { mesh: true }, to: { 'otel.infra': {} } });
  assert.deepEqual([...mesh.settle()].sort(), ['*', '*.default', '*.infra', '*.shop']);
  assert.ok(!mesh.graph.has('web.default'));
  assert.deepEqual(mesh.graph.record('*').preload, ['otel.infra:8080']);
  assert.deepEqual(mesh.graph.record('web.default').preload, ['otel.infra:8080']);
  dependency(mesh, 'shoppers', { scope: { namespace: true }, to: { 'cart.shop': {} }, learn: false }, 'shop');
  assert.deepEqual([...mesh.settle()], ['*.shop']);
  assert.deepEqual(mesh.graph.record('*.shop'), {
    caller: '*.shop',
    preload: ['cart.shop:8080', 'otel.infra:8080'],
    denied: [],
    learn: false,
    tcp: [],
  });
  assert.deepEqual([...mesh.graph.callers()].sort(), ['*', '*.default', '*.infra', '*.shop']);
});

test('visibility decides, and a namespace named in it gets defaults of its own', () => {
  const mesh = meshOf();
  mesh.send('service.registered', named('otel.infra', { visibility: ['shop'] }));
  dependency(mesh, 'everybody', { scope: { mesh: true }, to: { 'otel.infra': {} } });
  mesh.settle();
  const preload = (caller: string) => mesh.graph.record(caller).preload.length;
  assert.deepEqual([preload('*'), preload('*.shop'), preload('*.infra'), preload('web.other')], [0, 1, 1, 0]);
  assert.ok(mesh.graph.has('*.shop'));
  mesh.send('service.registered', named('otel.infra', { visibility: 'namespace' }));
  assert.ok(mesh.settle().has('*.shop'));
  assert.ok(!mesh.graph.has('*.shop'));
  assert.deepEqual([preload('*.infra'), preload('web.shop')], [1, 0]);
});

test('declared, pinned and learned edges unite; deny and unknown services are left out', () => {
  const mesh = meshOf('a.default', 'b.default', 'c.default', 'd.default', 'web.default');
  dependency(mesh, 'web', { to: { 'a.default': {}, 'ghost.default': {}, 'd.default': { deny: true } } });
  mesh.send('dependency.pinned', { from: 'web.default', to: 'b.default' });
  observe(mesh, 'web.default', 'c.default:8080');
  observe(mesh, 'web.default', 'd.default:8080');
  mesh.send('dependency.denied', { from: 'web.default', to: 'x.other:99' });
  mesh.settle();
  assert.deepEqual(mesh.graph.record('web.default'), {
    caller: 'web.default',
    preload: ['a.default:8080', 'b.default:8080', 'c.default:8080'],
    denied: ['d.default', 'x.other:99'],
    learn: true,
    tcp: [],
  });
  assert.deepEqual(
    mesh.graph.edgesOf('web.default').map(({ to, port, origin, state }) => `${to}${port ?? ''} ${origin} ${state}`),
    [
      'a.default declared active',
      'b.default declared pinned',
      'c.default8080 learned active',
      'd.default declared denied',
      'd.default8080 learned denied',
      'ghost.default declared dangling',
      'x.other99 declared denied',
    ],
  );
});

test('learn: false keeps only what is declared', () => {
  const mesh = meshOf('a.default', 'b.default');
  observe(mesh, 'web.default', 'a.default:8080');
  mesh.send('dependency.declared', { from: 'web.default', to: 'b.default:8080' });
  dependency(mesh, 'web', { learn: false });
  mesh.settle();
  assert.deepEqual(mesh.graph.record('web.default').preload, ['b.default:8080']);
  assert.deepEqual(
    mesh.graph.edges({ state: 'denied' }).map(({ to }) => to),
    ['a.default'],
  );
});

test('siblings are pre-warmed with edges of two witnesses and with the latest 100', () => {
  const names = Array.from({ length: 130 }, (_, n) => `s${n}.default`);
  const mesh = meshOf(...names);
  for (const name of names) observe(mesh, 'web.default', `${name}:8080`);
  observe(mesh, 'web.default', 's3.default:8080', 'sidecar:2');
  mesh.settle();
  // The latest 100 of 130 are s30 … s129; two nodes used s3.
  const { preload } = mesh.graph.record('web.default');
  assert.equal(preload.length, 101);
  for (const name of ['s3', 's30', 's129']) assert.ok(preload.includes(`${name}.default:8080`), name);
  assert.ok(!preload.includes('s29.default:8080'));
  // What is used again is no later for that: else edges in use would push each other out with every renewal.
  mesh.send('dependency.renewed', {
    edges: names.slice(5, 60).map((name) => ({ from: 'web.default', to: `${name}:8080` })),
  });
  mesh.settle();
  assert.deepEqual(mesh.graph.record('web.default').preload, preload);
});

test('an expired edge is not pre-warmed, and says so', () => {
  const mesh = meshOf('a.default');
  observe(mesh, 'web.default', 'a.default:8080');
  mesh.send('dependency.expired', { from: 'web.default', to: 'a.default:8080' });
  mesh.settle();
  assert.deepEqual(mesh.graph.record('web.default').preload, []);
  assert.deepEqual(mesh.graph.record('web.default').expired, ['a.default:8080']);
  assert.deepEqual(
    mesh.graph.edges({}).map(({ state }) => state),
    ['expired'],
  );
  assert.deepEqual(mesh.graph.dependents('a.default'), []);
  // What brings it otherwise, or a new proof, ends that.
  mesh.send('dependency.declared', { from: 'web.default', to: 'a.default' });
  mesh.settle();
  assert.deepEqual(mesh.graph.record('web.default').preload, ['a.default:8080']);
  assert.equal(mesh.graph.record('web.default').expired, undefined);
  mesh.send('dependency.withdrawn', { from: 'web.default', to: 'a.default' });
  mesh.settle();
  assert.deepEqual(mesh.graph.record('web.default').expired, ['a.default:8080']);
  observe(mesh, 'web.default', 'a.default:8080');
  mesh.settle();
  assert.equal(mesh.graph.record('web.default').expired, undefined);
});

test('globs and selectors take services that come later, and let go of those that change', () => {
  const mesh = meshOf('a.billing', 'web.default');
  dependency(mesh, 'web', { to: { '*.billing': {} }, select: { gold: { labels: { tier: 'gold' } } } });
  assert.deepEqual([...mesh.settle()], ['web.default']);
  const preload = () => mesh.graph.record('web.default').preload;
  assert.deepEqual(preload(), ['a.billing:8080']);
  mesh.send('service.registered', named('b.billing'));
  assert.deepEqual([...mesh.settle()], ['web.default']);
  mesh.send('service.registered', named('x.default', { labels: { tier: 'gold' } }));
  assert.deepEqual([...mesh.settle()], ['web.default']);
  assert.deepEqual(preload(), ['a.billing:8080', 'b.billing:8080', 'x.default:8080']);
  mesh.send('service.registered', named('x.default', { labels: { tier: 'silver' } }));
  assert.deepEqual([...mesh.settle()], ['web.default']);
  mesh.send('service.deregistered', { namespace: 'billing', name: 'a' });
  assert.deepEqual([...mesh.settle()], ['web.default']);
  assert.deepEqual(preload(), ['b.billing:8080']);
  mesh.send('service.registered', named('y.default', { labels: { tier: 'silver' } }));
  assert.deepEqual([...mesh.settle()], []);
});

test('only callers that refer to a service are affected by it', () => {
  const mesh = meshOf('a.default', 'b.default');
  for (let n = 0; n < 50; n += 1)
    observe(mesh, `caller-${n}.default`, n % 10 === 0 ? 'a.default:8080' : 'b.default:8080');
  mesh.settle();
  mesh.send('service.registered', named('a.default', { labels: { v: '2' } }));
  assert.deepEqual(
    [...mesh.settle()].sort(),
    [0, 10, 20, 30, 40].map((n) => `caller-${n}.default`),
  );
  mesh.send('endpoint.registered', { namespace: 'default', service: 'a', id: 'x', address: '10.0.0.1' });
  assert.deepEqual([...mesh.settle()], []);
});

test('declared TCP targets with a local port: registered, visible, not denied', () => {
  const mesh = new Mesh();
  const tcp = (port: number) => ({ port, protocol: 'tcp' as const });
  mesh.send('service.registered', named('redis.default', { ports: [tcp(6379), { port: 80, protocol: 'http' }] }));
  mesh.send('service.registered', named('db.default', { ports: [tcp(5432)] }));
  mesh.send('service.registered', named('denied.default', { ports: [tcp(1)] }));
  dependency(mesh, 'web', {
    to: {
      'redis.default:6379': { localPort: 16379 },
      'db.default': { localPort: 15432 },
      'denied.default:1': { localPort: 10001 },
      'later.default:9': { localPort: 10009 },
    },
  });
  mesh.send('dependency.denied', { from: 'web.default', to: 'denied.default' });
  mesh.settle();
  const record = mesh.graph.record('web.default');
  assert.deepEqual(record.tcp, [
    { servicePort: 'db.default:5432', localPort: 15432 },
    { servicePort: 'redis.default:6379', localPort: 16379 },
  ]);
  assert.deepEqual(record.preload, ['db.default:5432', 'redis.default:6379']);
  mesh.send('service.registered', named('later.default', { ports: [tcp(9)] }));
  assert.deepEqual([...mesh.settle()], ['web.default']);
  assert.equal(mesh.graph.record('web.default').tcp.length, 3);
});

test('a caller loses its own record with its last edge and document', () => {
  const mesh = meshOf('a.default');
  mesh.send('dependency.declared', { from: 'web.default', to: 'a.default' });
  dependency(mesh, 'web', { to: { 'a.default': {} } });
  mesh.settle();
  mesh.send('dependency.withdrawn', { from: 'web.default', to: 'a.default' });
  assert.deepEqual([...mesh.settle()], ['web.default']);
  assert.ok(mesh.graph.has('web.default'));
  mesh.send('policy.deleted', { kind: 'Dependency', namespace: 'default', name: 'web' });
  assert.deepEqual([...mesh.settle()], ['web.default']);
  assert.ok(!mesh.graph.has('web.default'));
  assert.ok(![...mesh.graph.callers()].includes('web.default'));
  mesh.send('service.registered', named('a.default', { labels: { v: '2' } }));
  assert.deepEqual([...mesh.settle()], []);
});

test('edges by focus, depth, state and page; dependents', () => {
  const mesh = meshOf('a.default', 'b.default', 'c.default', 'd.default', 'web-x.default', 'web.default');
  const declare = (from: string, to: string) =>
    mesh.send('dependency.declared', { from: `${from}.default`, to: `${to}.default` });
  declare('web', 'a');
  declare('a', 'b');
  declare('b', 'c');
  declare('web-x', 'c');
  declare('b', 'ghost');
  mesh.settle();
  const names = (query: Parameters<Mesh['graph']['edges']>[0]) =>
    mesh.graph.edges(query).map(({ from, to }) => `${from.split('.')[0]}>${to.split('.')[0]}`);
  assert.deepEqual(names({}), ['a>b', 'b>c', 'b>ghost', 'web-x>c', 'web>a']);
  assert.deepEqual(names({ state: 'dangling' }), ['b>ghost']);
  assert.deepEqual(names({ focus: 'b.default' }), ['a>b', 'b>c', 'b>ghost']);
  assert.deepEqual(names({ focus: 'b.default', depth: 2 }), ['a>b', 'b>c', 'b>ghost', 'web-x>c', 'web>a']);
  assert.deepEqual(names({ focus: 'nobody.default' }), []);
  const pages: string[] = [];
  for (let after: string | undefined, guard = 0; guard < 10; guard += 1) {
    const page = mesh.graph.edges({ limit: 2, ...(after === undefined ? {} : { after }) });
    const last = page.at(-1);
    if (last === undefined) break;
    pages.push(...page.map(({ from, to }) => `${from.split('.')[0]}>${to.split('.')[0]}`));
    after = `${last.from}|${last.to}${last.port === undefined ? '' : `:${last.port}`}`;
  }
  assert.deepEqual(pages, names({}));
  assert.deepEqual(mesh.graph.dependents('c.default'), ['b.default', 'web-x.default']);
  // Registered services that a default serves depend on its targets as well.
  dependency(mesh, 'all', { scope: { namespace: true }, to: { 'd.default': {} } });
  mesh.settle();
  assert.ok(mesh.graph.dependents('d.default').includes('c.default'));
  assert.ok(names({ focus: 'd.default' }).includes('c>d'));
});

test('a walk around a focus derives each caller once, and ends at its bound whatever page of it is wanted', () => {
  const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}.shop`);
  const mesh = meshOf(...names);
  for (const from of names) for (const to of names) if (from !== to) observe(mesh, from, `${to}:8080`);
  mesh.settle();
  const derived: string[] = [];
  const edgesOf = mesh.graph.edgesOf.bind(mesh.graph);
  mesh.graph.edgesOf = (caller, now) => {
    derived.push(caller);
    return edgesOf(caller, now);
  };
  assert.equal(mesh.graph.edges({ focus: 'a.shop', depth: 10, atMost: 20 }).length, 20);
  assert.deepEqual(derived.sort(), names);
  derived.length = 0;
  const tooLarge = { code: 'GRAPH_TOO_LARGE', message: 'there are more than 5 edges within 10 steps of a.shop' };
  for (const more of [{}, { limit: 1 }, { state: 'denied' }, { after: 'e.shop|d.shop:8080' }])
    assert.throws(() => mesh.graph.edges({ focus: 'a.shop', depth: 10, atMost: 5, ...more }), tooLarge);
  // The focus has four edges; with the second of its callers there are six.
  assert.equal(derived.length, 4 * 3);
});
