import assert from 'node:assert/strict';
import { test } from 'node:test';
import { documentEvent, endpointsOf, Stored, Story, service, told } from './story.ts';

const http = (port: number) => ({ port, protocol: 'http' as const });

test('a registered service is served, with defaults filled in and ports in order', () => {
  const story = new Story();
  const outcome = story.send('service.registered', service('cart', { ports: [http(9090), http(8080)] }));
  assert.deepEqual(outcome, { offset: 1, status: 'applied' });
  assert.deepEqual(story.fold.service('cart.default'), {
    name: 'cart.default',
    namespace: 'default',
    ports: [http(8080), http(9090)],
    labels: {},
    interfaces: [],
    externalHosts: [],
    visibility: 'mesh',
    defaultPort: 8080,
  });
  assert.deepEqual([...story.fold.drain().inputs], ['svc:cart.default']);
});

test('fields come from the highest rank: document, then API, then adapters; equal rank: the first one', () => {
  const story = new Story();
  const tier = (name: string) => ({ labels: { said: name } });
  const said = () => story.fold.service('cart.default')?.labels.said;
  story.send('service.registered', service('cart', tier('lease')), { source: 'lease:a' });
  story.send('service.registered', service('cart', tier('adapter')), { source: 'adapter:k8s' });
  assert.equal(said(), 'adapter');
  story.send('service.registered', service('cart', tier('second')), { source: 'adapter:consul' });
  assert.equal(said(), 'adapter');
  story.send('service.registered', service('cart', tier('api')));
  assert.equal(said(), 'api');
  story.document('Service', 'cart', { ports: [http(8080)], labels: { said: 'document' } });
  assert.equal(said(), 'document');
  assert.deepEqual(
    story.fold.serviceFacets('cart.default').map(({ source, rank }) => [source, rank]),
    [
      ['Service/default/cart', 300],
      ['local', 200],
      ['adapter:k8s', 100],
      ['adapter:consul', 100],
      ['lease:a', 0],
    ],
  );
  story.send('policy.deleted', { kind: 'Service', namespace: 'default', name: 'cart' });
  story.send('service.deregistered', { namespace: 'default', name: 'cart' });
  assert.equal(said(), 'adapter');
  story.send('service.deregistered', { namespace: 'default', name: 'cart' }, { source: 'adapter:k8s' });
  assert.equal(said(), 'second');
});

test('a source withdraws only its own facet; the last one takes the service with it', () => {
  const story = new Story();
  story.send('service.registered', service('cart'), { source: 'a' });
  story.send('service.registered', service('cart'), { source: 'b' });
  const foreign = story.send('service.deregistered', { namespace: 'default', name: 'cart' }, { source: 'c' });
  assert.equal(foreign.status, 'rejected');
  assert.equal(foreign.code, 'not-owner');
  assert.match(foreign.message ?? '', /only a, b can withdraw it/);
  story.send('service.deregistered', { namespace: 'default', name: 'cart' }, { source: 'a' });
  assert.ok(story.fold.service('cart.default'));
  story.fold.drain();
  story.send('service.deregistered', { namespace: 'default', name: 'cart' }, { source: 'b' });
  assert.equal(story.fold.service('cart.default'), undefined);
  const changes = story.fold.drain();
  assert.deepEqual([...changes.entities], [['svc/cart.default', undefined]]);
  assert.deepEqual([...changes.inputs], ['svc:cart.default']);
  const again = story.send('service.deregistered', { namespace: 'default', name: 'cart' }, { source: 'b' });
  assert.equal(again.status, 'applied');
  assert.match(again.message ?? '', /nothing to withdraw/);
});

test('the default port is the lowest HTTP port at first and stays while it is one', () => {
  const story = new Story();
  const ports = (...list: { port: number; protocol: 'http' | 'tcp' }[]) =>
    story.send('service.registered', service('cart', { ports: list }));
  const port = () => story.fold.service('cart.default')?.defaultPort;
  ports({ port: 1, protocol: 'tcp' });
  assert.equal(port(), undefined);
  ports({ port: 1, protocol: 'tcp' }, http(9000));
  assert.equal(port(), 9000);
  ports(http(80), http(9000));
  assert.equal(port(), 9000);
  ports(http(80), { port: 9000, protocol: 'tcp' });
  assert.equal(port(), 80);
});

test('saying the same again changes the place in the log, not what is derived', () => {
  const story = new Story();
  story.send('service.registered', service('cart'));
  const view = story.fold.service('cart.default');
  story.fold.drain();
  story.send('service.registered', service('cart'));
  assert.equal(story.fold.service('cart.default'), view);
  assert.equal(story.fold.subjectOffset('service/default/cart'), 2);
  const changes = story.fold.drain();
  assert.deepEqual([...changes.inputs], []);
  assert.deepEqual([...changes.entities.keys()], ['svc/cart.default']);
});

test('a host has one owner (E210), whoever claims it', () => {
  const story = new Story();
  const external = { hosts: ['www.Example.com'.toLowerCase()] };
  story.send('service.registered', service('search', { external }));
  assert.equal(story.fold.externalOwner('www.example.com'), 'search.default');
  const other = story.send('service.registered', service('other', { external }), { source: 'adapter:k8s' });
  assert.equal(other.code, 'E210');
  assert.match(other.message ?? '', /search\.default/);
  const document = story.document('Service', 'third', { ports: [http(80)], external });
  assert.equal(document.code, 'E210');
  assert.equal(story.fold.service('third.default'), undefined);
  // In one batch the host moves from one to the other, whatever the order.
  const moved = story.batch(
    told('service.registered', service('other', { external })),
    told('service.registered', service('search')),
  );
  assert.deepEqual(
    moved.map(({ status }) => status),
    ['applied', 'applied'],
  );
  assert.equal(story.fold.externalOwner('www.example.com'), 'other.default');
  const { inputs } = story.fold.drain();
  assert.ok(inputs.has('svc:search.default') && inputs.has('svc:other.default'));
});

test('a host claimed beside a document of the same service is checked too', () => {
  const story = new Story();
  story.send('service.registered', service('search', { external: { hosts: ['www.example.com'] } }));
  const outcomes = story.batch(
    told('service.registered', service('cart', { external: { hosts: ['www.example.com'] } })),
    documentEvent('Service', 'cart', { ports: [http(80)] }),
  );
  assert.ok(outcomes.some(({ code }) => code === 'E210'));
  assert.equal(story.fold.service('cart.default'), undefined);
});

test('a host that is a name of the mesh belongs to that service (E210)', () => {
  const story = new Story();
  story.send('service.registered', service('cart'));
  for (const host of ['cart.default', 'cart.default.mesh.local', 'later.shop.svc.cluster.local', 'cart']) {
    const outcome = story.send('service.registered', service('thief', { external: { hosts: [host] } }));
    assert.equal(outcome.code, 'E210', host);
  }
  story.send('service.registered', service('search', { external: { hosts: ['example.com', 'db'] } }));
  const late = story.send('service.registered', { ...service('example'), namespace: 'com' });
  assert.equal(late.code, 'E210');
  assert.match(late.message ?? '', /search\.default/);
  assert.equal(story.send('service.registered', { ...service('db'), namespace: 'shop' }).code, 'E210');
});

test('a port that a route uses does not vanish by a writer of the API (E211); an adapter reports facts', () => {
  const story = new Story();
  story.send('service.registered', service('cart', { ports: [http(80), http(81)] }));
  story.document('Route', 'cart', { rules: { admin: { match: { port: 81 }, timeout: '1s' } } });
  const lost = story.send('service.registered', service('cart', { ports: [http(80)] }));
  assert.equal(lost.status, 'rejected');
  assert.equal(lost.code, 'E211');
  assert.match(lost.message ?? '', /Route\/default\/cart/);
  assert.equal(story.fold.service('cart.default')?.ports.length, 2);
  story.send('service.registered', service('shop', { ports: [http(80), http(81)] }), { source: 'adapter:k8s' });
  story.document('Route', 'shop', { rules: { admin: { match: { port: 81 }, timeout: '1s' } } });
  const fact = story.send('service.registered', service('shop', { ports: [http(80)] }), { source: 'adapter:k8s' });
  assert.equal(fact.status, 'applied');
});

test('a Service document brings its inline endpoints and takes them away', () => {
  const story = new Story();
  const spec = (...ids: string[]) => ({
    ports: [http(8080)],
    endpoints: ids.map((id, index) => ({ id, address: `10.0.0.${index + 1}` })),
  });
  story.document('Service', 'cart', spec('a', 'b'));
  assert.deepEqual(
    endpointsOf(story.fold, 'cart.default').map(({ id }) => id),
    ['a', 'b'],
  );
  story.fold.drain();
  story.document('Service', 'cart', { ...spec('a', 'c'), labels: { v: '1' } });
  assert.deepEqual(
    endpointsOf(story.fold, 'cart.default').map(({ id }) => id),
    ['a', 'c'],
  );
  const changes = story.fold.drain();
  assert.deepEqual([...changes.endpoints.keys()].sort(), ['cart.default|b', 'cart.default|c']);
  assert.deepEqual([...changes.inputs].sort(), [
    'doc:Service|svc:cart.default',
    'eps:cart.default',
    'svc:cart.default',
  ]);
  const both = story.send('endpoint.registered', {
    namespace: 'default',
    service: 'cart',
    id: 'a',
    address: '10.9.9.9',
    health: 'draining',
  });
  assert.equal(both.status, 'applied');
  assert.deepEqual(story.fold.endpoint('cart.default', 'a'), { id: 'a', address: '10.0.0.1', health: 'draining' });
  const again = story.document('Service', 'cart', spec('a'));
  assert.deepEqual(
    again.findings?.map(({ code }) => code),
    ['W212'],
  );
  story.send('policy.deleted', { kind: 'Service', namespace: 'default', name: 'cart' });
  assert.deepEqual(story.fold.endpoint('cart.default', 'a'), { id: 'a', address: '10.9.9.9', health: 'draining' });
  assert.equal(story.fold.endpointCount('cart.default'), 1);
  assert.equal(story.fold.service('cart.default'), undefined);
});

test('services are listed in order, also after loading', () => {
  const story = new Story();
  for (const name of ['b', 'd', 'a', 'c']) story.send('service.registered', service(name));
  story.send('service.deregistered', { namespace: 'default', name: 'b' });
  const stored = new Stored();
  stored.take(story.fold);
  const fold = stored.restore();
  for (const state of [story.fold, fold]) {
    assert.deepEqual([...state.serviceNames()], ['a.default', 'c.default', 'd.default']);
    assert.deepEqual(
      [...state.graphLookup.services()].map(({ name }) => name),
      ['a.default', 'c.default', 'd.default'],
    );
  }
});

test('mesh.configured sets the suffixes and touches everything that shows them', () => {
  const story = new Story();
  assert.deepEqual(story.fold.compileInputs.mesh(), { name: 'test', suffixes: ['.mesh.local', '.svc.cluster.local'] });
  story.send('mesh.configured', { name: 'test', suffixes: ['.corp'] });
  assert.deepEqual(story.fold.compileInputs.mesh().suffixes, ['.corp']);
  assert.deepEqual([...story.fold.drain().inputs], ['mesh']);
  assert.equal(story.fold.subjectOffset('mesh'), 1);
});
