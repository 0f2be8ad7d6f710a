import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, endpointsOf, Stored, Story } from './story.ts';

const ref = (id: string) => ({ namespace: 'default', service: 'cart', id });

test('endpoints of an unknown service are kept', () => {
  const story = new Story();
  const outcome = story.send('endpoint.registered', endpoint('cart', 'a'));
  assert.equal(outcome.status, 'applied');
  assert.equal(story.fold.service('cart.default'), undefined);
  assert.deepEqual(endpointsOf(story.fold, 'cart.default'), [{ id: 'a', address: '10.0.0.1' }]);
  const changes = story.fold.drain();
  assert.deepEqual([...changes.inputs], ['eps:cart.default']);
  assert.deepEqual([...changes.endpoints.keys()], ['cart.default|a']);
});

test('one id from several sources: fields of the highest rank, worst health, gone with the last', () => {
  const story = new Story();
  story.send('endpoint.registered', endpoint('cart', 'a', { address: '10.0.0.1', health: 'draining' }), {
    source: 'adapter:x',
  });
  story.send('endpoint.registered', endpoint('cart', 'a', { address: '10.0.0.2', health: 'healthy' }));
  assert.deepEqual(story.fold.endpoint('cart.default', 'a'), { id: 'a', address: '10.0.0.2', health: 'draining' });
  story.send('endpoint.health-changed', { ...ref('a'), health: 'unhealthy' });
  assert.equal(story.fold.endpoint('cart.default', 'a')?.health, 'unhealthy');
  story.send('endpoint.deregistered', ref('a'));
  assert.deepEqual(story.fold.endpoint('cart.default', 'a'), { id: 'a', address: '10.0.0.1', health: 'draining' });
  story.send('endpoint.expired', ref('a'), { source: 'adapter:x' });
  assert.equal(story.fold.endpoint('cart.default', 'a'), undefined);
  assert.equal(story.fold.endpointCount('cart.default'), 0);
  assert.equal(story.fold.subjectOffset('endpoint/default/cart/a'), 0);
});

test('health of an endpoint that is not there, or is another source’s, is rejected', () => {
  const story = new Story();
  const none = story.send('endpoint.health-changed', { ...ref('a'), health: 'unhealthy' });
  assert.deepEqual([none.status, none.code], ['rejected', 'unknown-endpoint']);
  story.send('endpoint.registered', endpoint('cart', 'a'), { source: 'adapter:x' });
  const foreign = story.send('endpoint.health-changed', { ...ref('a'), health: 'unhealthy' });
  assert.deepEqual([foreign.status, foreign.code], ['rejected', 'unknown-endpoint']);
  assert.match(foreign.message ?? '', /adapter:x/);
  const withdrawal = story.send('endpoint.deregistered', ref('a'));
  assert.deepEqual([withdrawal.status, withdrawal.code], ['rejected', 'not-owner']);
  assert.equal(story.fold.endpoint('cart.default', 'a')?.health, undefined);
  const nothing = story.send('endpoint.deregistered', ref('b'));
  assert.equal(nothing.status, 'applied');
});

test('identity of a block changes exactly when what is served changes', () => {
  const story = new Story();
  story.send('endpoint.registered', endpoint('cart', 'a', { labels: { v: '1' }, ports: { 80: 8080 } }));
  const [block] = story.fold.compileInputs.endpoints('cart.default');
  story.fold.drain();
  // The same again, an empty map more, and the same health of a second source.
  story.send('endpoint.registered', endpoint('cart', 'a', { ports: { 80: 8080 }, labels: { v: '1' }, inbound: {} }));
  story.send('endpoint.registered', endpoint('cart', 'a', { address: '10.0.0.9' }), { source: 'adapter:x' });
  assert.equal(story.fold.compileInputs.endpoints('cart.default')[0], block);
  const silent = story.fold.drain();
  assert.deepEqual([[...silent.inputs], [...silent.endpoints.keys()]], [[], []]);
  assert.deepEqual([...silent.entities.keys()], ['eps/cart.default/0']);
  story.send('endpoint.health-changed', { ...ref('a'), health: 'draining' });
  const [changed] = story.fold.compileInputs.endpoints('cart.default');
  assert.notEqual(changed, block);
  assert.equal(changed?.size, 1);
  assert.deepEqual([...story.fold.drain().inputs], ['eps:cart.default']);
});

test('a service above 64 endpoints is split; one change touches one block', () => {
  const story = new Story();
  const id = (n: number) => `pod-${String(n).padStart(4, '0')}`;
  for (let n = 0; n < 1000; n += 1) {
    story.send(
      'endpoint.registered',
      endpoint('cart', id(n), { address: `10.0.${n >> 8}.${n & 255}`, labels: { v: '1' } }),
    );
  }
  const before = story.fold.compileInputs.endpoints('cart.default');
  assert.equal(story.fold.endpointCount('cart.default'), 1000);
  assert.ok(before.length > 10);
  assert.ok(before.every((block) => block.size <= 64));
  assert.deepEqual(
    endpointsOf(story.fold, 'cart.default').map((view) => view.id),
    Array.from({ length: 1000 }, (_, n) => id(n)),
  );
  story.fold.drain();
  story.send('endpoint.health-changed', { ...ref(id(500)), health: 'unhealthy' });
  const changes = story.fold.drain();
  assert.equal(changes.entities.size, 1);
  assert.deepEqual([...changes.endpoints.keys()], [`cart.default|${id(500)}`]);
  const after = story.fold.compileInputs.endpoints('cart.default');
  assert.equal(after.filter((block, index) => block !== before[index]).length, 1);
  assert.deepEqual(story.fold.endpoint('cart.default', id(500)), {
    id: id(500),
    address: '10.0.1.244',
    labels: { v: '1' },
    health: 'unhealthy',
  });
  for (let n = 0; n < 990; n += 1) story.send('endpoint.deregistered', ref(id(n)));
  assert.equal(story.fold.compileInputs.endpoints('cart.default').length, 1);
  const stored = new Stored();
  stored.take(story.fold);
  assert.deepEqual(endpointsOf(stored.restore(), 'cart.default'), endpointsOf(story.fold, 'cart.default'));
});

test('names beyond ASCII, long texts and IPv6 survive storage', () => {
  const story = new Story();
  const long = 'é'.repeat(200);
  story.send(
    'endpoint.registered',
    endpoint('cart', `pod-ü-${long.slice(0, 40)}`, { address: '2001:db8::1', labels: { größe: long } }),
  );
  story.send('endpoint.registered', endpoint('cart', 'x'.repeat(256), { weight: 0 }));
  const stored = new Stored();
  stored.take(story.fold);
  assert.deepEqual(endpointsOf(stored.restore(), 'cart.default'), endpointsOf(story.fold, 'cart.default'));
  assert.equal(endpointsOf(story.fold, 'cart.default').length, 2);
});
